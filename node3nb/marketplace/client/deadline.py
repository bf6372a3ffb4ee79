"""How long a call may take: the caller's choice, and not the server's."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Deadline:
    """A time by which a call has to be over, or it is hung up.

    A timeout of a socket begins anew with every byte; this one does not.

    Parameters
    ----------
    seconds
        From its start on.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._hang_up: Callable[[], None] | None = None
        #: When the time is up, on the monotonic clock.
        self.due = 0.0
        #: Whether the time was up before the call was over.
        self.passed = False

    def hanging_up(self, hang_up: Callable[[], None]) -> Self:
        """Do this when the time is up; it must not block."""
        self._hang_up = hang_up
        return self

    def extend(self, seconds: float) -> None:
        """Give so many seconds from now on."""
        _watch.change(self, time.monotonic() + seconds)

    def pass_by(self) -> None:
        """Hang up: the time is up."""
        self.passed = True
        if self._hang_up is not None:
            self._hang_up()

    def __enter__(self) -> Self:
        self.due = time.monotonic() + self._seconds
        _watch.add(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _watch.remove(self)


class _Watch:
    """Looks at the clock for all calls of this process, on one thread: calls are many and short.

    It is woken only by a call that is due before it would look again, or by the first for long.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._watched: set[Deadline] = set()
        self._looks_at = math.inf
        self._thread: threading.Thread | None = None

    def add(self, deadline: Deadline) -> None:
        with self._changed:
            self._watched.add(deadline)
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="deadlines", daemon=True)
                self._thread.start()
            self._expect(deadline.due)

    def change(self, deadline: Deadline, due: float) -> None:
        """Move a call's time."""
        with self._changed:
            deadline.due = due
            self._expect(due)

    def remove(self, deadline: Deadline) -> None:
        """Forget a call that is over; it is not hung up after that."""
        with self._changed:
            self._watched.discard(deadline)

    def _expect(self, due: float) -> None:
        """See that the clock is looked at by then."""
        if due < self._looks_at:
            self._changed.notify()

    def _look(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for each in [each for each in self._watched if each.due <= now]:
                    self._watched.discard(each)
                    each.pass_by()
                self._looks_at = min((each.due for each in self._watched), default=math.inf)
                pause_s = None if self._looks_at == math.inf else self._looks_at - now
                self._changed.wait(pause_s)


def _renew() -> None:
    """Begin anew in a forked process: no thread but the one that forked lives on there."""
    global _watch  # noqa: PLW0603 - it belongs to the process
    _watch = _Watch()


_watch = _Watch()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
