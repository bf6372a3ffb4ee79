"""The stopping ladder: ask the job, wait, then kill its tree."""

from __future__ import annotations

import os
import signal

from node3nb.supervisor.watch import Cause


class Ladder:
    """Where one job stands on its way to an end that it did not choose."""

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._deadline: float | None = None
        #: The first cause given; later ones change nothing.
        self.cause: Cause | None = None

    def ask(self, cause: Cause, main: int, now: float) -> None:
        """First rung: SIGTERM to the process group of the job's main process."""
        if self.cause is None:
            self.cause = cause
            self._deadline = now + self._grace_s
            _terminate(main)

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


def _terminate(main: int) -> None:
    """Ask the group, or the process alone in the instant before it has made its group.

    A process that is stopped hears nothing before it is continued.
    """
    for send in (os.killpg, os.kill):
        try:
            send(main, signal.SIGTERM)
            send(main, signal.SIGCONT)
        except (ProcessLookupError, PermissionError):
            continue
        return
