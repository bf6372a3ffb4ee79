"""Several server processes on one database tell each other that jobs wait.

Who frees a job that nobody here waits for rings: one NOTIFY at most in `RING_S`, for however many
jobs.  Who hears it looks at the queue for the agents that wait here; all look from time to time
as well, so that a lost ring costs a moment and no job.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable

from node3nb.marketplace.database.backend import SharedBackend
from node3nb.marketplace.database.database import Database
from node3nb.marketplace.refusals import Unavailable

#: Shortest time between two rings, and between two looks, in seconds.
RING_S = 0.1
#: Longest time between two looks, in seconds; half of it is the shortest.
LOOK_S = 2.0
#: How long a listener waits before it connects again, in seconds.
RECONNECT_S = 1.0


class Bell:
    """Rings for other processes and hears them; lives on one event loop.

    Parameters
    ----------
    database
        What they share.
    look
        Looks at the queue for those who wait here; tells whether there may be more to see.
    """

    def __init__(self, database: Database, look: Callable[[], Awaitable[bool]]) -> None:
        self._database = database
        self._look = look
        self._name = secrets.token_hex(8)
        self._rung = asyncio.Event()
        self._heard = asyncio.Event()

    def ring(self) -> None:
        """Tell the others, soon."""
        self._rung.set()

    @contextlib.asynccontextmanager
    async def hung(self) -> AsyncIterator[None]:
        """Ring, listen and look until the block ends; a process that is alone need not."""
        shared = self._database.shared
        parts = (self._ring_on(shared), self._listen_on(shared), self._look_on()) if shared else ()
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _ring_on(self, shared: SharedBackend) -> None:
        while True:
            await self._rung.wait()
            self._rung.clear()
            with contextlib.suppress(Unavailable):  # the others look by themselves
                await asyncio.wrap_future(self._database.write(shared.ring, self._name))
            await asyncio.sleep(RING_S)

    async def _listen_on(self, shared: SharedBackend) -> None:
        while True:
            async for ringer in shared.rings():
                if ringer != self._name:
                    self._heard.set()
            await asyncio.sleep(RECONNECT_S)

    async def _look_on(self) -> None:
        while True:
            pause_s = random.uniform(LOOK_S / 2, LOOK_S)  # noqa: S311 - so that servers don't look in step
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._heard.wait(), pause_s)
            self._heard.clear()
            with contextlib.suppress(Unavailable):
                if await self._look():
                    self._heard.set()
            await asyncio.sleep(RING_S)
