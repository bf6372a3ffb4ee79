"""Allowance: how many bytes a dashboard may send now, so that it never floods a server."""

from __future__ import annotations

from collections.abc import Callable

#: Bytes a second in the long run, headers included.
RATE = 4 * 1024
#: Bytes saved up at the most: the answer to a view that opens, with a job's log.
SAVED = 28 * 1024
#: Bytes of headers and signature around one message, as measured on ipykernel 7.
ENVELOPE = 700


class Allowance:
    """A bucket that fills by the second and is emptied by what is sent.

    Parameters
    ----------
    clock
        Returns seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._at = clock()
        self._saved = float(SAVED)

    def left(self) -> int:
        """Return the bytes that may be sent now."""
        now = self._clock()
        self._saved = min(SAVED, self._saved + (now - self._at) * RATE)
        self._at = now
        return max(int(self._saved) - ENVELOPE, 0)

    def spend(self, size: int) -> None:
        """Take note of a message of so many bytes; of none for 0."""
        self._saved -= size + ENVELOPE if size else 0
