"""Live logs of jobs: one file for each attempt, addressed by byte offset."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from node3nb.marketplace.refusals import Conflict, TooLarge

#: Most bytes of one answer.
MAX_READ_BYTES = 1 << 20


class Logs:
    """The logs below one directory.

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
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        with (
            self._lock,
            os.fdopen(os.open(self._path(job_id, acceptance), flags, 0o600), "ab") as f,
        ):
            end = f.tell()
            if end != offset:
                raise Conflict(f"offset: the log ends at {end}; go on from there.", offset=end)
            if end + len(content) > self._max_bytes:
                raise TooLarge(f"body: a log may have {self._max_bytes} bytes; send no more of it.")
            f.write(content)
            return end + len(content)

    def read(self, job_id: str, acceptance: int, offset: int) -> bytes:
        """Return what a log holds from `offset` on, at most `MAX_READ_BYTES` of it."""
        try:
            with self._path(job_id, acceptance).open("rb") as file:
                file.seek(offset)
                return file.read(MAX_READ_BYTES)
        except FileNotFoundError:
            return b""

    def _path(self, job_id: str, acceptance: int) -> Path:
        return self._root / f"{job_id}-{acceptance}.log"
