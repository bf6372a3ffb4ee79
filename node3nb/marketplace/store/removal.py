"""Jobs that ended long ago are removed, with all that is known of them but what they were paid."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from node3nb.marketplace.database.schema import artifacts, events, jobs, leases, uploads
from node3nb.marketplace.store import ledger

#: Jobs looked at in one transaction: few, as SQLite writes nothing else meanwhile.
AT_ONCE = 25

_HAS_FILES = sa.or_(
    *(sa.exists().where(files.c.job_id == jobs.c.job_id) for files in (artifacts, uploads))
)


@dataclass(frozen=True, slots=True)
class Place:
    """How far the jobs that have ended were looked at, those first that ended first."""

    #: When the last one ended.
    finished_at: float = 0.0
    #: Its number.
    number: int = 0


def remove(
    connection: sa.Connection, after: Place, ended_before: float, now: float
) -> Place | None:
    """Remove the next jobs that ended before a time, in seconds since 1970.

    One that has files still, or whose entry of the ledger is not as it should be, stays.

    Returns
    -------
    Place or None
        Where to go on; None when there are no more.
    """
    rows = connection.execute(_ended(after, ended_before)).all()
    _remove(connection, [row.number for row in rows], now)
    return Place(rows[-1].finished_at, rows[-1].number) if len(rows) == AT_ONCE else None


def _ended(after: Place, before: float) -> sa.Select[tuple[float | None, int]]:
    """Return the next jobs; they stay locked, so that none lives again or gets files meanwhile."""
    place = sa.tuple_(jobs.c.finished_at, jobs.c.number)
    return (
        sa.select(jobs.c.finished_at, jobs.c.number)
        .where(
            jobs.c.finished_at < before,
            place > sa.tuple_(sa.literal(after.finished_at), sa.literal(after.number)),
        )
        .order_by(jobs.c.finished_at, jobs.c.number)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )


def _remove(connection: sa.Connection, numbers: list[int], now: float) -> None:
    bare = sa.select(jobs.c.number).where(jobs.c.number.in_(numbers), ~_HAS_FILES)
    job_ids = ledger.settled(connection, connection.execute(bare).scalars().all())
    if job_ids:
        ledger.close(connection, job_ids, now)
        for table in (events, leases, jobs):
            connection.execute(sa.delete(table).where(table.c.job_id.in_(job_ids)))
