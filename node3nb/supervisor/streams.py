"""What a job prints, read at a bounded pace into its logs."""

from __future__ import annotations

import contextlib
import os
import selectors
import time
from collections.abc import Callable
from typing import Any, Protocol

from node3nb.supervisor.capped_log import CappedLog
from node3nb.supervisor.orders import Order
from node3nb.supervisor.watch import Cause, size

#: Bytes read of one stream between two measurements of the tree: a job that floods its output
#: is slowed to what costs the owner nothing.
BUDGET_BYTES = 1 << 20
_CHUNK = 1 << 16


class Selector(Protocol):
    """What calls a function when a descriptor has something to read."""

    def register(self, fd: int, events: int, data: Callable[[], None]) -> Any:
        """Begin to."""

    def unregister(self, fd: int) -> Any:
        """Stop."""


class Stream:
    """One output pipe of a job and the log it fills."""

    def __init__(self, name: str, order: Order, fd: int, selector: Selector) -> None:
        self._name = name
        self._selector = selector
        self._reads = False
        self._budget = BUDGET_BYTES
        self._resting = False
        self.log = CappedLog(os.path.join(order.log, name), order.log_bytes)
        self.fd = fd
        os.set_blocking(fd, False)

    def start(self) -> None:
        """Begin to read."""
        self._reads = True
        self._selector.register(self.fd, selectors.EVENT_READ, self.read)

    def read(self) -> None:
        """Read what has come; rest when the budget is used up or the stream has ended."""
        data = self._take(time.monotonic())
        if data == b"" or self._budget <= 0:
            self._stop()
            self._resting = data != b""

    def _stop(self) -> None:
        if self._reads:
            self._reads = False
            self._selector.unregister(self.fd)

    def refill(self, now: float) -> None:
        """Grant the next budget and bring the log's file up to date."""
        self._budget = BUDGET_BYTES
        if self._resting:
            self._resting = False
            self.start()
        self.log.refresh(now)

    def finish(self, now: float) -> None:
        """Read what is left of a stream the job's tree writes to no more, and close the log."""
        self._stop()
        self._budget = BUDGET_BYTES
        while self._take(now) and self._budget > 0:
            pass
        self.log.close()

    def close(self) -> None:
        """Stop, whatever is left."""
        self._stop()
        with contextlib.suppress(OSError):
            self.log.close()

    def flood(self) -> Cause | None:
        """Return the cause for a stream that has grown beyond all use, if it has."""
        if self.log.total <= self.log.flood_bytes:
            return None
        limit = size(self.log.flood_bytes)
        told = f"The job printed more than {limit} to {self._name}, which is the limit."
        return Cause("output_limit", told)

    def _take(self, now: float) -> bytes | None:
        """Read one piece; None when there is none yet, empty when the stream has ended."""
        try:
            data = os.read(self.fd, _CHUNK)
        except BlockingIOError:
            return None
        self._budget -= len(data)
        self.log.write(data, now)
        return data


def both(order: Order, stdout: int, stderr: int, selector: Selector) -> tuple[Stream, Stream]:
    """Return the two streams of a job.

    Raises
    ------
    OSError
        A log can't be made; none is left open.
    """
    first = Stream("stdout", order, stdout, selector)
    try:
        return first, Stream("stderr", order, stderr, selector)
    except OSError:
        first.close()
        raise
