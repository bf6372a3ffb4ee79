"""Heartbeats: they renew leases and bring word of jobs called off."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from node3nb.agent.backoff import Backoff, jittered
from node3nb.agent.threads import DaemonThreads
from node3nb.errors import MarketplaceRejected
from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.marketplace.wire.protocol import Heartbeat, HeartbeatAnswer

#: Seconds between two beats at the least, whatever news there is.
LEAST_REST_S = 1.0


class Heart:
    """Beats as long as it is awaited.

    Parameters
    ----------
    client
        The marketplace.
    threads
        Where the calls are made.
    interval_s
        Seconds between two beats.
    say
        Returns what the next beat says.
    hear
        Takes each answer.
    ache
        Takes what goes wrong.
    """

    def __init__(
        self,
        client: MarketplaceClient,
        threads: DaemonThreads,
        *,
        interval_s: float,
        say: Callable[[], Heartbeat],
        hear: Callable[[HeartbeatAnswer], None],
        ache: Callable[[Exception], None],
    ) -> None:
        self._client = client
        self._threads = threads
        self._interval_s = interval_s
        self._say = say
        self._hear = hear
        self._ache = ache
        self._base_only = False
        self._early = asyncio.Event()

    def soon(self) -> None:
        """Beat soon, but not at once after the last beat: there is news for the marketplace."""
        self._early.set()

    async def beat_forever(self) -> None:
        """Beat until cancelled."""
        backoff = Backoff(self._interval_s)
        while True:
            self._early.clear()
            try:
                self._hear(await self._threads.call(self.beat))
                backoff.succeeded()
                await self._rest(jittered(self._interval_s))
            except Exception as error:  # noqa: BLE001 - a lease is lost if the heart stops
                self._ache(error)
                await asyncio.sleep(backoff.failed(error))

    async def _rest(self, seconds: float) -> None:
        """Wait until the next beat."""
        await asyncio.sleep(min(seconds, LEAST_REST_S))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(seconds - LEAST_REST_S, 0)):
                await self._early.wait()

    def beat(self) -> HeartbeatAnswer:
        """Beat once; a marketplace that refuses our longer form gets the base one from then on."""
        if self._base_only:
            return self._client.heartbeat(None)
        try:
            return self._client.heartbeat(self._say())
        except MarketplaceRejected:
            answer = self._client.heartbeat(None)
            self._base_only = True
            return answer
