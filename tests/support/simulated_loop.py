"""An event loop whose time passes only while nothing is under way: hours of waits in a second.

What is awaited in threads takes no time of it.  So the calls that a program makes in an hour are
the same on any machine, and a loop that does not wait is one whose time stands still.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable

#: Seconds of real time that a selector waits for what another thread is about to say.
LOOK_S = 0.002


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: SimulatedLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        while not (events := super().select(LOOK_S)):
            if not self._loop.busy():
                self._loop.now += timeout
                break
        return events


class SimulatedLoop(asyncio.SelectorEventLoop):
    """A loop for `asyncio.Runner`.

    Parameters
    ----------
    busy
        Whether something is under way in another thread that time has to wait for.
    """

    def __init__(self, busy: Callable[[], bool]) -> None:
        self.busy = busy
        #: Seconds that have passed.
        self.now = 0.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        """Return the seconds that have passed."""
        return self.now

    def __repr__(self) -> str:
        return f"<SimulatedLoop at {self.now:.1f} s>"
