"""How long files are kept: as long as their job lives, and some days beyond its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from node3nb.marketplace.database.schema import artifacts, jobs
from node3nb.marketplace.store import storage, uploads
from node3nb.marketplace.wire.protocol import JobStatus
from node3nb.marketplace.wire.words import ArtifactKind

#: Files let go in one transaction.
AT_ONCE = 500
#: Statuses of jobs that have ended.
_ENDED = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)


def let_go(
    connection: sa.Connection, ended_before: Mapping[ArtifactKind, float]
) -> tuple[list[str], bool]:
    """Forget the files of jobs that ended long ago.

    Parameters
    ----------
    ended_before
        For each kind, the time before which its job must have ended, in seconds since 1970.

    Returns
    -------
    list of str
        Names of files that nothing needs any more.
    bool
        Whether there may be more of them.
    """
    rows = connection.execute(_old(ended_before)).all()
    for row in rows:
        connection.execute(
            sa.delete(artifacts).where(
                artifacts.c.job_id == row.job_id, artifacts.c.kind == row.kind
            )
        )
        storage.discharge(connection, row.job_id, row.bytes)
    return uploads.unnamed(connection, [row.name for row in rows]), len(rows) == AT_ONCE


def with_logs(
    connection: sa.Connection, job_ids: Sequence[str], ended_before: float
) -> frozenset[str]:
    """Return those jobs whose logs are kept: all that have not ended before a time."""
    lately = sa.or_(jobs.c.finished_at.is_(None), jobs.c.finished_at >= ended_before)
    query = sa.select(jobs.c.job_id).where(jobs.c.job_id.in_(job_ids), lately)
    return frozenset(connection.execute(query).scalars())


def _old(ended_before: Mapping[ArtifactKind, float]) -> sa.Select[tuple[str, str, str, int]]:
    """Return the files to forget; their jobs stay locked, so that none lives again meanwhile."""
    past = sa.or_(
        *(
            sa.and_(artifacts.c.kind == kind, jobs.c.finished_at < before)
            for kind, before in ended_before.items()
        )
    )
    return (
        sa.select(artifacts.c.job_id, artifacts.c.kind, artifacts.c.name, artifacts.c.bytes)
        .join(jobs, jobs.c.job_id == artifacts.c.job_id)
        .where(jobs.c.status.in_(_ENDED), past)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
