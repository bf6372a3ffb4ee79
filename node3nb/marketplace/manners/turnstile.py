"""Who comes in: a known key or an address, so many calls a second, so many at once."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import Counter
from collections.abc import Iterator

from node3nb.marketplace.keys import Caller
from node3nb.marketplace.manners.keyring import Keyring
from node3nb.marketplace.manners.rates import Rates, place
from node3nb.marketplace.refusals import TooMany
from node3nb.marketplace.settings import Settings

#: Seconds' worth of calls that may come at once after a rest.
BURST_S = 5.0
#: Wrong keys a second that an address may go on sending, and how many at once.
WRONG_PER_S, WRONG_BURST = 20.0, 500.0
#: Keys looked up at once; the database reads for few at a time anyway.
LOOKUPS_AT_ONCE = 4


class Turnstile:
    """The bounds on calls in one process.

    Parameters
    ----------
    settings
        How it is run.
    keyring
        Knows which keys are valid.
    """

    def __init__(self, settings: Settings, keyring: Keyring) -> None:
        self._keyring = keyring
        self._keyed = Rates(settings.calls_per_s, settings.calls_per_s * BURST_S)
        self._keyless = Rates(settings.keyless_calls_per_s, settings.keyless_calls_per_s * BURST_S)
        self._wrong = Rates(WRONG_PER_S, WRONG_BURST)
        self._looking_up = asyncio.Semaphore(LOOKUPS_AT_ONCE)
        self._most_inside = settings.calls_at_once
        self._inside: Counter[str] = Counter()

    async def caller(self, key: str, host: str) -> Caller | None:
        """Return who calls; None for nobody known.

        Raises
        ------
        TooMany
            The key, or the address of a call without a valid one, has made too many calls.
        """
        caller = await self._known(key, place(host)) if key else None
        if caller is None:
            _require_no_wait(self._keyless.take(place(host)), "your address")
        else:
            _require_no_wait(self._keyed.take(caller.key_id), "your key")
        return caller

    async def _known(self, key: str, address: str) -> Caller | None:
        caller = self._keyring.remembered(key)
        if caller is not None:
            return caller
        async with self._looking_up:  # or thousands would be on their way before one is found wrong
            _require_no_wait(self._wrong.wait_s(address), "your address with wrong keys")
            caller = await self._keyring.caller(key)
            if caller is None:
                self._wrong.take(address)
        return caller

    @contextlib.contextmanager
    def inside(self, who: str) -> Iterator[None]:
        """Count a call of a key, or of a place, among those that are being answered.

        Raises
        ------
        TooMany
            There are too many already.
        """
        if self._inside[who] >= self._most_inside:
            raise TooMany(
                f"More than {self._most_inside} of your calls are being answered; wait for them.",
                retry_after_s=1,
            )
        self._inside[who] += 1
        try:
            yield
        finally:
            self._inside[who] -= 1
            if not self._inside[who]:
                del self._inside[who]


def _require_no_wait(wait_s: float, whose: str) -> None:
    if wait_s > 0.0:
        seconds = max(1, math.ceil(wait_s))
        told = f"Too many calls come from {whose}; wait {seconds} s."
        raise TooMany(told, retry_after_s=seconds)
