"""A log file that keeps the head and the tail of what is written and leaves out the middle."""

from __future__ import annotations

import os

#: Seconds between two rewrites of the tail of a log that is over its cap.
REWRITE_S = 1.0
#: A stream that grows to this many times its cap is a flood, unless it is smaller than this.
FLOOD_FACTOR = 1024
LEAST_FLOOD_BYTES = 64 << 20
#: Most bytes of the tail, which stands in memory; a larger cap goes to the head.
MOST_TAIL_BYTES = 1 << 20
#: Room for the note about the gap, in bytes.
NOTE_BYTES = 64
#: Bytes in which the last line is looked for.
RECENT_BYTES = 4096


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
        self._tail_cap = min(cap // 2, MOST_TAIL_BYTES)
        self._head_cap = cap - self._tail_cap
        self._tail = bytearray()
        self._recent = b""
        self._rewritten = 0.0
        self._dirty = False
        #: Whether the disk did not take what was to be kept.
        self.short = False
        #: Bytes the job has written to the stream.
        self.total = 0
        #: Whether an unknown part of it never came.
        self.cut = False

    @property
    def truncated(self) -> bool:
        """Whether a part is missing: left out, never come, or the disk was full."""
        return self._left_out > 0 or self.short or self.cut

    @property
    def flood_bytes(self) -> int:
        """Where the stream is beyond all use."""
        return max(self._cap * FLOOD_FACTOR, LEAST_FLOOD_BYTES)

    @property
    def last_line(self) -> bytes:
        """The last line that is not empty, from the newest `RECENT_BYTES` at most."""
        lines = reversed(self._recent.splitlines())
        return next((line for line in lines if line.strip()), b"")

    def write(self, data: bytes, now: float) -> None:
        """Append what the job wrote; `now` is any steady clock, in seconds."""
        start = self.total
        self.total += len(data)
        fits = self.total <= self._cap
        of_head = max(0, self._head_cap - start)
        self._put(data if fits else data[:of_head], start)
        self._recent = (self._recent + data)[-RECENT_BYTES:]
        self._remember(data[of_head:])
        self._dirty = self._dirty or not fits
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

    @property
    def _left_out(self) -> int:
        return max(0, self.total - self._cap)

    def _remember(self, data: bytes) -> None:
        """Keep the end of what follows the head; trimmed now and then, not at every byte."""
        self._tail += data
        if len(self._tail) > 2 * self._tail_cap:
            del self._tail[: -self._tail_cap]

    def _rewrite_tail(self) -> None:
        """Write over what stands behind the head; a reader never sees the file get shorter."""
        self._dirty = False
        gap = f"\n[... {self._left_out} bytes left out ...]\n".encode()
        self._put(gap + self._tail[len(self._tail) - self._tail_cap :], self._head_cap)

    def _put(self, data: bytes | bytearray, offset: int) -> None:
        """Write as much as the disk takes; a full disk must not end the job's keeper."""
        written = 0
        try:
            while written < len(data):
                written += os.pwrite(self._fd, data[written:], offset + written)
        except OSError:
            self.short = True
