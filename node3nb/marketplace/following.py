"""Those who follow logs: one look for all of them, however many there are.

A look asks the database once for all jobs that are followed here.  It is taken at once when
somebody comes or a piece has come, and from time to time as well: another server process may
have the news.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from node3nb.marketplace.database.transactions import Transactions
from node3nb.marketplace.logs import Logs
from node3nb.marketplace.refusals import TooMany, Unavailable
from node3nb.marketplace.store import attempts
from node3nb.marketplace.store.outcomes import FINAL

#: Seconds between two looks at all that is followed.
LOOK_S = 1.0
#: Jobs asked for in one transaction.
AT_ONCE = 500
#: Followers of one job at once: each piece of its log is read for every one of them.
MOST = 64

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LogState:
    """How far the log of a job has come."""

    #: The latest attempt; 0 is before the first.
    attempt: int
    #: Bytes that its log holds.
    bytes: int
    #: Whether the job has ended.
    over: bool


class Follower:
    """Somebody who waits for more of one log."""

    def __init__(self) -> None:
        self._state: LogState | None = None
        self._gone = False
        self._told = asyncio.Event()

    def tell(self, state: LogState) -> None:
        """Tell how far the log has come."""
        self._state = state
        self._told.set()

    def leave(self) -> None:
        """End the wait."""
        self._gone = True
        self._told.set()

    async def told(self, wanted: Callable[[LogState], bool], deadline: float) -> LogState | None:
        """Wait until a state is wanted, at most until the loop's time is `deadline`.

        Returns
        -------
        LogState or None
            What was seen last; None when nothing was.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                while not self._gone and (self._state is None or not wanted(self._state)):
                    self._told.clear()
                    await self._told.wait()
        return self._state


class LogReaders:
    """All who follow logs here; lives on one event loop.

    Parameters
    ----------
    database
        Knows where the jobs stand.
    logs
        What is followed.
    """

    def __init__(self, database: Transactions, logs: Logs) -> None:
        self._database = database
        self._logs = logs
        self._followers: dict[str, set[Follower]] = {}
        self._due: set[str] = set()
        self._called = asyncio.Event()
        self._closed = False

    @contextlib.contextmanager
    def follower(self, job_id: str) -> Iterator[Follower]:
        """Bring in a follower, and look for it.

        Raises
        ------
        TooMany
            The job has as many followers as one may.
        """
        followers = self._followers.setdefault(job_id, set())
        if len(followers) >= MOST:
            raise TooMany(f"{MOST} calls follow this job's log; end one of them.", retry_after_s=1)
        follower = Follower()
        if self._closed:
            follower.leave()
        followers.add(follower)
        self.tell(job_id)
        try:
            yield follower
        finally:
            followers.discard(follower)
            if not followers:
                del self._followers[job_id]

    def tell(self, job_id: str) -> None:
        """Have a job's log looked at if somebody follows it: there may be more of it."""
        if job_id in self._followers:
            self._due.add(job_id)
            self._called.set()

    def close(self) -> None:
        """Send everybody home, now and from now on."""
        self._closed = True
        for follower in itertools.chain.from_iterable(self._followers.values()):
            follower.leave()

    async def look_on(self) -> None:
        """Look for those who follow, without an end."""
        loop = asyncio.get_running_loop()
        all_due_at = loop.time() + LOOK_S
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(all_due_at):
                    await self._called.wait()
            if loop.time() >= all_due_at:
                self._due.update(self._followers)
                all_due_at = loop.time() + LOOK_S
            await self._look_at_due()

    async def _look_at_due(self) -> None:
        due = [job_id for job_id in self._due if job_id in self._followers]
        self._due.clear()
        self._called.clear()
        try:
            for start in range(0, len(due), AT_ONCE):
                for job_id, state in (await self.look(due[start : start + AT_ONCE])).items():
                    for follower in self._followers.get(job_id, ()):
                        follower.tell(state)
        except (sa.exc.DBAPIError, OSError, Unavailable):
            _log.exception("Logs that are followed could not be looked at; this is tried again.")

    async def look(self, job_ids: Sequence[str]) -> dict[str, LogState]:
        """Return how far the logs of some jobs have come; that of an unknown job is over."""
        stand = await self._database.read(attempts.stand, job_ids)
        named = [(job_id, acceptance) for job_id, (acceptance, _) in stand.items()]
        sizes = await asyncio.to_thread(self._logs.sizes, named)
        over = dict.fromkeys(job_ids, LogState(0, 0, over=True))
        return over | {
            job_id: LogState(acceptance, size, status in FINAL)
            for (job_id, (acceptance, status)), size in zip(stand.items(), sizes, strict=True)
        }
