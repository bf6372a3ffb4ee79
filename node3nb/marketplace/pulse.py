"""Whether the database answers; asked once, however many want to know."""

from __future__ import annotations

import asyncio
import time

import sqlalchemy as sa

from node3nb.marketplace.database.database import Database
from node3nb.marketplace.database.schema import keys
from node3nb.marketplace.refusals import Unavailable

#: How long the database has to answer, in seconds.
ANSWER_S = 3.0
#: How long an answer is good for, in seconds.
GOOD_S = 1.0


class Pulse:
    """The liveness of a database.

    Parameters
    ----------
    database
        The one that is asked.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asking: asyncio.Task[None] | None = None
        self._good_until = 0.0

    async def felt(self) -> bool:
        """Whether the database was read from, and could have been written to, just now."""
        if time.monotonic() < self._good_until:
            return True
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        try:
            async with asyncio.timeout(ANSWER_S):
                await asyncio.shield(self._asking)
        except (TimeoutError, sa.exc.DBAPIError, Unavailable):
            return False
        return True

    async def _ask(self) -> None:
        await asyncio.gather(
            asyncio.wrap_future(self._database.read(_look)),
            asyncio.wrap_future(self._database.write(_look)),
        )
        self._good_until = time.monotonic() + GOOD_S


def _look(connection: sa.Connection) -> None:
    """Read a row; as a change it takes the lock that changes take, and leaves all as it is."""
    connection.execute(sa.select(keys.c.key_id).limit(1))
