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
from node3nb.marketplace.auditing import Auditor
from node3nb.marketplace.bell import Bell
from node3nb.marketplace.clearing import Clearing
from node3nb.marketplace.clock import Clock, iso
from node3nb.marketplace.database.database import Database
from node3nb.marketplace.following import LogReaders
from node3nb.marketplace.keys import Caller, Role
from node3nb.marketplace.logs import Logs
from node3nb.marketplace.manners.keyring import Keyring
from node3nb.marketplace.manners.meters import Meters
from node3nb.marketplace.pages import Counts
from node3nb.marketplace.pulse import Pulse
from node3nb.marketplace.refusals import Refusal, Unavailable
from node3nb.marketplace.resources import Resources
from node3nb.marketplace.settings import Settings
from node3nb.marketplace.store import callers, key_ring, leases, queue, views
from node3nb.marketplace.store.queue import Freed, Waiting
from node3nb.marketplace.waiting import WaitingRoom

P = ParamSpec("P")
T = TypeVar("T")

#: Kinds of agents that are looked for at once in what other processes free, and jobs.
LOOK_FOR, LOOK_AT = 64, 256
#: How often revocations that another process made are looked for, in seconds.
HEED_S = 0.5
#: How far back they are looked for, in seconds.
REVOKED_S = 600.0
#: How long counts of jobs and agents are shown for new, in seconds.
COUNTED_S = 1.0

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
        self.log_readers = LogReaders(self, self.logs)
        self.clearing = Clearing(self.artifacts, self.logs, self, clock, settings)
        self._database = Database(settings.database_url)
        self._bell = Bell(self._database, self._look_around)
        self.keyring = Keyring(settings.data_dir, self._look_up)
        self.meters = Meters()
        self.auditor = Auditor(self, clock)
        self.pulse = Pulse(self._database)
        self._counting: asyncio.Task[Counts] | None = None
        self._counted_at = 0.0

    async def _look_up(self, key: str) -> Caller | None:
        return await self.read(key_ring.caller_of, key, self.now())

    async def speaks(self, agent_id: str) -> bool:
        """Whether an agent has a valid key."""
        return await self.read(key_ring.speaks, Role.AGENT, agent_id, self.now())

    async def revoked(self) -> None:
        """Have every process take note that a key was revoked, this one at once."""
        self.keyring.announce()
        await self._heed()
        await self.expire()

    async def _heed(self) -> None:
        since = self.now() - REVOKED_S
        await self.keyring.heed(lambda: self.read(key_ring.revoked_since, since))

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Hold the database open, and look for leases that ran out."""
        with self._database:
            await self.write(key_ring.keep_first_keys, self.keys, self.now())
            work = (
                *(self._sweep(), self._tidy(), self._watch_keys()),
                *(self.log_readers.look_on(), self.auditor.look_on()),
            )
            chores = [asyncio.create_task(chore) for chore in work]
            try:
                async with self._bell.hung():
                    yield
            finally:
                self.send_home()
                for chore in chores:
                    chore.cancel()
                await asyncio.wait(chores)

    def send_home(self) -> None:
        """Let go of all who wait for a job or for more of a log, now and from now on."""
        self.room.close()
        self.log_readers.close()

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

    async def counts(self) -> Counts:
        """Count jobs and agents."""
        jobs = await self.read(views.counts)
        agents = await self.read(callers.agent_counts, self.now())
        return Counts(timestamp=iso(self.now()), jobs=jobs, agents=agents)

    async def late_counts(self) -> Counts:
        """Return how many jobs and agents there were a moment ago.

        Counting many takes long: it is done once, however many ask meanwhile.
        """
        late = time.monotonic() - self._counted_at > COUNTED_S
        if self._counting is None or (late and self._counting.done()):
            self._counting = asyncio.create_task(self.counts())
            self._counting.add_done_callback(self._counted)
        return await asyncio.shield(self._counting)

    def _counted(self, _counting: asyncio.Task[Counts]) -> None:
        self._counted_at = time.monotonic()

    def announce(self, *freed: Freed | None) -> None:
        """Wake an agent for every job that has become available."""
        for job in freed:
            if job is not None and not self.room.announce(job):
                self._bell.ring()

    async def queued(self, has: Resources, limit: int) -> list[Waiting]:
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

    async def _look_around(self) -> bool:
        """Wake those who wait here for what others have freed; tell whether there may be more."""
        offers = self.room.offers(LOOK_FOR)
        if not offers:
            return False
        jobs = await self.read(queue.waiting_for, offers, LOOK_AT + len(self.room.held_back))
        fresh = [job for job in jobs if job.job_id not in self.room.held_back]
        return sum(map(self.room.announce, fresh)) >= LOOK_AT

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
                await self.clearing.tidy()
            except (sa.exc.DBAPIError, OSError, Refusal):
                _log.exception("What nothing needs was not all removed; this is tried again.")

    async def _watch_keys(self) -> None:
        while True:
            await asyncio.sleep(HEED_S)
            with contextlib.suppress(sa.exc.DBAPIError, Unavailable):  # asked again in a moment
                await self._heed()


def _look(
    connection: sa.Connection, has: Resources, limit: int, now: float
) -> tuple[list[Waiting], bool]:
    return queue.available(connection, has, limit), leases.any_expired(connection, now)
