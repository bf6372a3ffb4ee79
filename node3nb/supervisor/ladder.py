"""The stopping ladder: ask the job, wait, then kill its tree."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from node3nb.supervisor.watch import Cause


class Ladder:
    """Where one job stands on its way to an end that it did not choose."""

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._deadline: float | None = None
        #: The first cause given; later ones change nothing.
        self.cause: Cause | None = None

    def ask(self, cause: Cause, terminate: Callable[[], None], now: float) -> None:
        """First rung: have the job sent its SIGTERM, once."""
        if self.cause is None:
            self.cause = cause
            self._deadline = now + self._grace_s
            terminate()

    def kill(self, cause: Cause, now: float) -> None:
        """Last rung at once, also for a job that has been asked already."""
        self.cause = self.cause or cause
        self._deadline = now

    def wait_s(self, now: float, longest: float) -> float:
        """Return how long the keeper may sleep before it has to look here again, in seconds."""
        if self._deadline is None:
            return longest
        return max(0.0, min(longest, self._deadline - now))

    def exhausted(self, now: float) -> bool:
        """Whether the time to end by itself is over."""
        return self._deadline is not None and now >= self._deadline


def terminate(main: int) -> None:
    """Ask the process group of a job's main process.

    In the instant before it has made its group, the process is asked alone.  A process that is
    stopped hears nothing before it is continued.
    """
    for send in (os.killpg, os.kill):
        try:
            send(main, signal.SIGTERM)
            send(main, signal.SIGCONT)
        except (ProcessLookupError, PermissionError):
            continue
        return
