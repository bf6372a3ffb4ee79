"""How long to wait before something that failed is tried again."""

from __future__ import annotations

import random

from node3nb.errors import MarketplaceBusy

#: Seconds before the first repeat, and between repeats at the most.
FIRST_S, LONGEST_S = 1.0, 60.0
#: Share by which a wait differs at random, so that many agents do not come back together.
JITTER = 0.25


def jittered(seconds: float) -> float:
    """Return about as many seconds."""
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret


class Backoff:
    """Waits that double from failure to failure."""

    def __init__(self, longest_s: float = LONGEST_S) -> None:
        self._longest_s = longest_s
        self._next_s = FIRST_S

    def succeeded(self) -> None:
        """Begin anew."""
        self._next_s = FIRST_S

    def failed(self, error: Exception) -> float:
        """Return the seconds to wait after a failure: at least what the server asked for."""
        wait_s = min(jittered(self._next_s), self._longest_s)
        self._next_s = min(self._next_s * 2, self._longest_s)
        if isinstance(error, MarketplaceBusy):
            return max(wait_s, error.retry_after_s)
        return wait_s
