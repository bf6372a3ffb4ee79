"""One job's directory, from its making to its removal."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from node3nb.files.beneath import STRANGERS_FILE
from node3nb.files.removal import remove_tree
from node3nb.jobs import JobSpec


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where one job's files lie.

    Attributes
    ----------
    root
        The directory that holds the others and goes with them; mode 0700.
    """

    root: Path

    @property
    def input(self) -> Path:
        """What the job reads."""
        return self.root / "input"

    @property
    def output(self) -> Path:
        """What the job leaves for its submitter."""
        return self.root / "output"

    @property
    def job(self) -> Path:
        """The job's working and home directory."""
        return self.root / "job"

    @property
    def tmp(self) -> Path:
        """The job's temporary directory."""
        return self.root / "tmp"

    @property
    def log(self) -> Path:
        """What the job printed; written by the supervisor only."""
        return self.root / "log"

    def read_log(self, stream: str, most: int, start: int = 0) -> bytes:
        """Return what the job has printed so far; empty for nothing.

        A job at level `limits` can put anything in its log's place, so that a link, a pipe or
        a huge file must neither lead away, nor hang, nor fill the reader.

        Parameters
        ----------
        stream
            `stdout` or `stderr`.
        most
            Bytes to return at the most.
        start
            Bytes to leave out at the beginning.
        """
        try:
            log = os.open(self.log / stream, STRANGERS_FILE)
        except OSError:
            return b""
        with open(log, "rb") as file:
            if not stat.S_ISREG(os.fstat(log).st_mode):
                return b""
            file.seek(start)
            return file.read(max(most, 0))

    def make_room(self) -> None:
        """Remove all but what the job has left and printed, once it has ended."""
        for directory in (self.input, self.job, self.tmp):
            remove_tree(directory)

    def write_files(self, spec: JobSpec) -> None:
        """Put the job's own small files into its working directory."""
        for name, text in spec.files.items():
            (self.job / name).write_text(text, encoding="utf-8", newline="")


class WorkArea:
    """The directory of one provider's workspaces; goes with the provider.

    Areas that providers have left behind (a power cut, a kill) are removed on the way in: the
    lock of a living one is held.
    """

    def __init__(self, parent: Path) -> None:
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sweep(parent)
        #: Where the workspaces are made.
        self.path, self._lock = _made(parent)

    def close(self) -> None:
        """Remove the area and all that is left in it."""
        try:
            remove_tree(self.path)
        finally:
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None


def _made(parent: Path) -> tuple[Path, int | None]:
    """Make an area and lock it; another, when somebody's sweep was faster than the lock."""
    while True:
        path = Path(tempfile.mkdtemp(prefix="provider-", dir=parent))
        if not hasattr(os, "fork"):
            return path, None
        lock = _lock(path)
        if lock is not None and path.exists():
            return path, lock
        if lock is not None:
            os.close(lock)


def _sweep(parent: Path) -> None:
    """Remove what nobody holds; what can't be removed by this user stays and harms nobody."""
    for left in parent.glob("provider-*"):
        with contextlib.suppress(OSError):
            lock = _lock(left)
            if lock is None:
                continue
            try:
                remove_tree(left)
            finally:
                os.close(lock)


def _lock(area: Path) -> int | None:
    """Return a descriptor that holds the area's lock; None when another process does."""
    if not hasattr(os, "fork"):
        return None  # no flock(2): nothing is swept
    import fcntl  # noqa: PLC0415 - POSIX only

    try:
        held = os.open(area, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        return None
    return held


def create(parent: Path, name: str) -> Workspace:
    """Make an empty workspace below `parent`.

    Raises
    ------
    FileExistsError
        Another job's workspace of that name is still there.
    """
    root = parent / name
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    root.mkdir(mode=0o700)
    workspace = Workspace(root)
    for directory in ("input", "output", "job", "tmp", "log"):
        os.mkdir(root / directory, mode=0o700)
    return workspace


@contextlib.contextmanager
def temporary(parent: Path, name: str) -> Iterator[Workspace]:
    """Make a workspace and remove it, whatever the job left in it, at the end."""
    try:
        yield create(parent, name)
    finally:
        remove_tree(parent / name)
