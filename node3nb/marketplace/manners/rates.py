"""How many calls each caller may make: a token bucket each, in bounded memory."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

#: Callers remembered; whoever has not called for longest is forgotten first, and starts anew.
REMEMBERED = 20_000


class Rates:
    """Token buckets by name.

    Parameters
    ----------
    per_s
        Calls a second that each may go on making.
    burst
        Calls that each may make at once after a rest.
    remembered
        Buckets kept at most.
    clock
        Tells the seconds that pass.
    """

    def __init__(
        self,
        per_s: float,
        burst: float,
        remembered: int = REMEMBERED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_s = per_s
        self._burst = max(1.0, burst)
        self._remembered = remembered
        self._clock = clock
        #: What each had left, and when; who called last comes last.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait_s(self, who: str) -> float:
        """Return after how many seconds somebody may call; 0 is now."""
        return max(0.0, (1.0 - self._left(who)) / self._per_s)

    def take(self, who: str) -> float:
        """Count a call if it may be made; return after how many seconds it may, 0 when it was."""
        left = self._left(who)
        counted = left >= 1.0
        self._buckets[who] = (left - 1.0 if counted else left, self._clock())
        self._buckets.move_to_end(who)
        if len(self._buckets) > self._remembered:
            self._buckets.popitem(last=False)
        return 0.0 if counted else (1.0 - left) / self._per_s

    def _left(self, who: str) -> float:
        if who not in self._buckets:
            return self._burst
        left, at = self._buckets[who]
        return min(self._burst, left + (self._clock() - at) * self._per_s)


def place(host: str) -> str:
    """Return what an address counts as: itself, or the network that one IPv6 customer gets (/64).

    An address that is none, such as the path of a socket, is one place.
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return "local"
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
