"""A log file that keeps the head and the tail of what is written and leaves out the middle."""

from __future__ import annotations

import os
from collections import deque

#: Seconds between two rewrites of the tail of a log that is over its cap.
REWRITE_S = 1.0
#: A stream that grows to this many times its cap is a flood, unless it is smaller than this.
FLOOD_FACTOR = 1024
LEAST_FLOOD_BYTES = 64 << 20


class CappedLog:
    """One stream of a job, readable as a file at any time.

    Parameters
    ----------
    path
        The file; must not exist.
    cap
        Bytes to keep, the note about the gap not counted.
    """

    def __init__(self, path: str, cap: int) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o600)
        self._cap = cap
        self._head_cap = cap - cap // 2
        self._head = 0
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0
        self._left_out = 0
        self._rewritten = 0.0
        self._dirty = False
        #: Bytes the job has written to the stream.
        self.total = 0

    @property
    def truncated(self) -> bool:
        """Whether a middle part has been left out."""
        return self._left_out > 0

    @property
    def flood_bytes(self) -> int:
        """Where the stream is beyond all use."""
        return max(self._cap * FLOOD_FACTOR, LEAST_FLOOD_BYTES)

    def write(self, data: bytes, now: float) -> None:
        """Append what the job wrote; `now` is any steady clock, in seconds."""
        self.total += len(data)
        room = self._head_cap - self._head
        if room > 0:
            self._head += _write_all(self._fd, data[:room])
            data = data[room:]
        if data:
            self._remember(data)
        self.refresh(now)

    def refresh(self, now: float) -> None:
        """Bring the file's tail up to date, at most once in `REWRITE_S`."""
        if self._dirty and now - self._rewritten >= REWRITE_S:
            self._rewritten = now
            self._rewrite_tail()

    def close(self) -> None:
        """Bring the file up to date for good and let go of it."""
        if self._dirty:
            self._rewrite_tail()
        os.close(self._fd)

    def _remember(self, data: bytes) -> None:
        self._tail.append(data)
        self._tail_bytes += len(data)
        self._dirty = True
        surplus = self._tail_bytes - self._cap // 2
        while surplus > 0:
            oldest = self._tail.popleft()
            if len(oldest) > surplus:
                self._tail.appendleft(oldest[surplus:])
            dropped = min(len(oldest), surplus)
            surplus -= dropped
            self._tail_bytes -= dropped
            self._left_out += dropped

    def _rewrite_tail(self) -> None:
        self._dirty = False
        gap = f"\n[... {self._left_out} bytes left out ...]\n" if self._left_out else ""
        os.ftruncate(self._fd, self._head)
        os.lseek(self._fd, self._head, os.SEEK_SET)
        _write_all(self._fd, gap.encode() + b"".join(self._tail))


def _write_all(fd: int, data: bytes) -> int:
    """Write as much as the disk takes; a full disk must not end the job's keeper."""
    written = 0
    try:
        while written < len(data):
            written += os.write(fd, data[written:])
    except OSError:
        return written
    return written
