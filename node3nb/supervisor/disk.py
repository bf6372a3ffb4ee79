"""How much a job has written."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from node3nb.files.beneath import DIRECTORY, make_accessible

#: Directories inside each other beyond which a tree is taken for an attack on its readers.
MAX_DEPTH = 100
#: Unit of st_blocks, in bytes (stat(2)).
BLOCK_BYTES = 512
#: A disk with less room than this is full, in bytes.
LEAST_ROOM_BYTES = 1 << 20
#: Entries counted between two looks at the clock.
_BATCH = 64


def is_full(directory: str) -> bool:
    """Return whether the disk of a directory has no room; one that is gone has."""
    try:
        disk = os.statvfs(directory)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < LEAST_ROOM_BYTES


@dataclass(frozen=True, slots=True)
class Written:
    """What stands on the disk in a job's writable directories."""

    #: Bytes on disk; a hole in a sparse file takes none.
    bytes: int = 0
    #: Files, directories and everything else that takes an inode.
    files: int = 0
    #: Whether directories lie deeper in each other than `MAX_DEPTH`.
    too_deep: bool = False


class Survey:
    """One walk through a job's directories, in as many slices as its reader has time for.

    Goes from directory to directory by descriptor, so that no path is too long for it; links
    are counted, never followed; a directory closed to its owner is opened.

    Parameters
    ----------
    roots
        Directories; one that is gone counts as empty.
    most_files
        The walk ends soon after this many entries: the limit is passed by then.
    """

    def __init__(self, roots: tuple[str, ...], most_files: int) -> None:
        self._most_files = most_files
        self._bytes = self._files = 0
        self._too_deep = False
        self._walk = self._entries(roots)

    @property
    def so_far(self) -> Written:
        """What has been counted until now."""
        return Written(self._bytes, self._files, self._too_deep)

    def advance(self, until: float) -> bool:
        """Count until the monotonic clock shows `until`, in seconds; return whether all is done."""
        for status in self._walk:
            self._files += 1
            self._bytes += status.st_blocks * BLOCK_BYTES
            if self._files > self._most_files:
                self._walk.close()
                return True
            if self._files % _BATCH == 0 and time.monotonic() >= until:
                return False
        return True

    def _entries(self, roots: tuple[str, ...]) -> Generator[os.stat_result, None, None]:
        """Yield the status of every entry below the roots."""
        open_now: list[_Directory] = []
        try:
            for root in roots:
                self._enter(root, open_now)
                while open_now:
                    yield from self._next(open_now)
        finally:
            for directory in open_now:
                directory.close()

    def _next(self, open_now: list[_Directory]) -> Iterator[os.stat_result]:
        """Yield the next entry of the deepest open directory, and enter it if it is one too."""
        directory = open_now[-1]
        entry = directory.next()
        if entry is None:
            open_now.pop().close()
            return
        name, status = entry
        yield status
        if stat.S_ISDIR(status.st_mode):
            self._enter(name, open_now)

    def _enter(self, name: str, open_now: list[_Directory]) -> None:
        if len(open_now) > MAX_DEPTH:
            self._too_deep = True
            return
        try:
            open_now.append(_Directory(name, open_now[-1].fd if open_now else None))
        except OSError:
            return


class _Directory:
    """An open directory and where its reading stands."""

    def __init__(self, name: str, parent: int | None) -> None:
        self.fd = _open(name, parent)
        self._entries = os.scandir(self.fd)

    def next(self) -> tuple[str, os.stat_result] | None:
        """Return name and status of the next entry that is still there; None behind the last."""
        while True:
            try:
                entry = next(self._entries, None)
                return entry and (entry.name, entry.stat(follow_symlinks=False))
            except FileNotFoundError:
                continue
            except OSError:
                return None

    def close(self) -> None:
        self._entries.close()
        os.close(self.fd)


def _open(name: str, parent: int | None) -> int:
    try:
        return os.open(name, DIRECTORY, dir_fd=parent)
    except PermissionError:
        if parent is None:
            os.chmod(name, stat.S_IRWXU)
        else:
            make_accessible(parent, name, stat.S_IRWXU)
        return os.open(name, DIRECTORY, dir_fd=parent)


def measure(roots: tuple[str, ...], most_files: int) -> Written:
    """Count all that lies below the roots; see `Survey`."""
    survey = Survey(roots, most_files)
    survey.advance(float("inf"))
    return survey.so_far
