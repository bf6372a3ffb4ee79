"""Whether the ledger and the jobs agree: looked through now and then, a little at a time."""

from __future__ import annotations

import asyncio
import logging

import sqlalchemy as sa

from node3nb.marketplace.clock import Clock
from node3nb.marketplace.database.transactions import Transactions
from node3nb.marketplace.refusals import Unavailable
from node3nb.marketplace.store import ledger

#: How long it rests between two looks at a part, and after all parts, in seconds.
PAUSE_S, REST_S = 0.2, 600.0

_log = logging.getLogger(__name__)


class Auditor:
    """Looks for jobs that were not paid as they should, and for pay without a job.

    Entries whose job has been removed were compared with it then; `ledger.audit` looks at those
    as well, all at once.

    Parameters
    ----------
    database
        Where both are.
    clock
        What it takes for the time.
    """

    def __init__(self, database: Transactions, clock: Clock) -> None:
        self._database = database
        self._now = clock
        #: How many were found last; None before all has been looked through once.
        self.discrepancies: int | None = None
        #: When that was, in seconds since 1970.
        self.checked_at: float | None = None

    async def look_on(self) -> None:
        """Look through all, again and again."""
        while True:
            try:
                self.discrepancies = await self._count()
                self.checked_at = self._now()
            except (sa.exc.DBAPIError, Unavailable):
                _log.exception("The ledger could not be looked through; this is tried again.")
            if self.discrepancies:
                _log.error("%s jobs or entries of the ledger don't agree.", self.discrepancies)
            await asyncio.sleep(REST_S)

    async def _count(self) -> int:
        found = 0
        for part in ledger.Part:
            after: int | None = 0
            while after is not None:
                more, after = await self._database.read(ledger.disagreeing, part, after)
                found += more
                await asyncio.sleep(PAUSE_S)
        return found
