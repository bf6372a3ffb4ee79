"""One running marketplace: what its calls share."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa

from node3nb.marketplace import keys
from node3nb.marketplace.artifacts.keeper import Artifacts
from node3nb.marketplace.artifacts.places import open_store
from node3nb.marketplace.clock import Clock
from node3nb.marketplace.database import Database
from node3nb.marketplace.keys import Caller
from node3nb.marketplace.logs import Logs
from node3nb.marketplace.refusals import Refusal, Unavailable
from node3nb.marketplace.resources import Resources
from node3nb.marketplace.settings import Settings
from node3nb.marketplace.store import callers, leases, queue
from node3nb.marketplace.store.queue import Freed, Queued
from node3nb.marketplace.waiting import WaitingRoom

P = ParamSpec("P")
T = TypeVar("T")

#: How long a key that was found valid is taken for valid, in seconds.
KEY_S = 2.0
#: Keys remembered at once.
KEYS_KNOWN = 10_000

_log = logging.getLogger(__name__)


class Marketplace:
    """A marketplace, from the opening of its data directory on.

    Parameters
    ----------
    settings
        How it is run.
    clock
        What it takes for the time.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.settings = settings
        self.now = clock
        self.keys = keys.load_or_create(settings.data_dir)
        self.room = WaitingRoom()
        store = open_store(settings, self.keys.url_secret)
        self.artifacts = Artifacts(store, self, clock, settings)
        self.logs = Logs(settings.data_dir / "logs", settings.max_log_bytes)
        self._database = Database(settings.database_url)
        self._callers: dict[str, tuple[Caller, float]] = {}

    async def caller(self, key: str) -> Caller | None:
        """Return whom a key speaks for; None when it is not valid.

        An answer is good for `KEY_S`, so that not every call asks the database.
        """
        now, known_as = time.monotonic(), keys.sha256_of(key)
        caller, until = self._callers.get(known_as, (None, 0.0))
        if now >= until:
            caller = await self.read(callers.caller_of, key)
            if len(self._callers) >= KEYS_KNOWN:
                self._callers.clear()
            if caller is not None:
                self._callers[known_as] = (caller, now + KEY_S)
        return caller

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Hold the database open, and look for leases that ran out."""
        with self._database:
            await self.write(callers.keep_first_keys, self.keys, self.now())
            chores = [asyncio.create_task(self._sweep()), asyncio.create_task(self._tidy())]
            try:
                yield
            finally:
                self.room.close()
                for chore in chores:
                    chore.cancel()
                await asyncio.wait(chores)

    async def write(
        self,
        operation: Callable[Concatenate[sa.Connection, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Make a change and wait until it is on disk."""
        return await asyncio.wrap_future(self._database.write(operation, *args, **kwargs))

    async def read(
        self,
        operation: Callable[Concatenate[sa.Connection, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Ask for what is committed."""
        return await asyncio.wrap_future(self._database.read(operation, *args, **kwargs))

    def announce(self, *freed: Freed | None) -> None:
        """Wake an agent for every job that has become available."""
        for job in freed:
            if job is not None:
                self.room.announce(job)

    async def queued(self, has: Resources, limit: int) -> list[Queued]:
        """Return the first jobs an agent can run, after what silent agents held is queued again."""
        now = self.now()
        jobs, any_expired = await self.read(_look, has, limit, now)
        if any_expired:
            await self.expire()
            jobs, _ = await self.read(_look, has, limit, now)
        return jobs

    async def expire(self) -> None:
        """Queue again what silent agents held."""
        self.announce(*await self.write(leases.expire, self.now()))

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self.settings.sweep_s)
            try:
                if await self.read(leases.any_expired, self.now()):
                    await self.expire()
            except (sa.exc.DBAPIError, Unavailable):
                _log.exception("Leases that ran out could not be ended; this is tried again.")

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(self.settings.tidy_s)
            try:
                await self.artifacts.tidy()
            except (sa.exc.DBAPIError, OSError, Refusal):
                _log.exception("Files that nothing needs were not all removed; tried again.")


def _look(
    connection: sa.Connection, has: Resources, limit: int, now: float
) -> tuple[list[Queued], bool]:
    return queue.available(connection, has, limit), leases.any_expired(connection, now)
