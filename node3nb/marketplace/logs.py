"""Live logs of jobs: one file for each attempt, addressed by byte offset."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from node3nb.marketplace.disk_room import free_bytes, kept_free
from node3nb.marketplace.refusals import Conflict, TooLarge, Unavailable

#: Most bytes of one answer.
MAX_READ_BYTES = 1 << 20


class Logs:
    """The logs below one directory; several server processes may share it.

    Parameters
    ----------
    root
        Where they lie.
    max_bytes
        Largest log of one attempt.
    """

    def __init__(self, root: Path, max_bytes: int) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def append(self, job_id: str, acceptance: int, offset: int, content: bytes) -> int:
        """Add bytes at the end of a log and return where it ends now.

        Raises
        ------
        Conflict
            The log does not end at `offset`; the answer says where it does.
        TooLarge
            It would grow beyond what is kept.
        Unavailable
            The disk takes no more.
        """
        with self._opened(job_id, acceptance) as log:
            end = os.fstat(log).st_size
            if end != offset:
                raise Conflict(f"offset: the log ends at {end}; go on from there.", offset=end)
            if end + len(content) > self._max_bytes:
                raise TooLarge(f"body: a log may have {self._max_bytes} bytes; send no more of it.")
            if not end:
                self._forget_earlier(job_id, acceptance)
            self._require_room(len(content))
            try:
                return end + os.write(log, content)
            except OSError as error:
                raise Unavailable("The marketplace can't keep more of the log now.") from error

    def _forget_earlier(self, job_id: str, acceptance: int) -> None:
        """Remove the logs of earlier attempts: nobody is sent one once there is a later."""
        for earlier in range(1, acceptance):
            self._path(job_id, earlier).unlink(missing_ok=True)

    def _require_room(self, more: int) -> None:
        """Leave the database some of what files have left free."""
        if free_bytes(self._root) - more < kept_free(self._root) // 2:
            raise Unavailable("The marketplace's disk is full; it keeps no more of the log now.")

    @contextlib.contextmanager
    def _opened(self, job_id: str, acceptance: int) -> Iterator[int]:
        """Give a log's descriptor; no other thread or process appends to it meanwhile."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        log = os.open(self._path(job_id, acceptance), flags, 0o600)
        try:
            with self._lock:
                _keep_others_out(log)
                yield log
        finally:
            os.close(log)

    def read(self, job_id: str, acceptance: int, offset: int) -> bytes:
        """Return what a log holds from `offset` on, at most `MAX_READ_BYTES` of it."""
        try:
            with self._path(job_id, acceptance).open("rb") as file:
                file.seek(offset)
                return file.read(MAX_READ_BYTES)
        except FileNotFoundError:
            return b""

    def sizes(self, named: Iterable[tuple[str, int]]) -> list[int]:
        """Return how many bytes the logs of some attempts hold, each named by job and number."""
        return [self._size(self._path(*attempt)) for attempt in named]

    @staticmethod
    def _size(path: Path) -> int:
        try:
            return path.stat().st_size
        except FileNotFoundError:
            return 0

    def by_job(self) -> dict[str, list[Path]]:
        """Return the logs that lie there, for each job."""
        logs: dict[str, list[Path]] = {}
        for path in self._root.glob("*-*.log"):
            logs.setdefault(path.stem.rpartition("-")[0], []).append(path)
        return logs

    def _path(self, job_id: str, acceptance: int) -> Path:
        return self._root / f"{job_id}-{acceptance}.log"


def _keep_others_out(log: int) -> None:
    """Lock a file until its descriptor is closed, where the system can."""
    if hasattr(os, "fork"):
        import fcntl  # noqa: PLC0415 - POSIX only

        fcntl.flock(log, fcntl.LOCK_EX)
