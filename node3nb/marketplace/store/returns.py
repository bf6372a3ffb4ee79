"""Jobs that their agents give back unrun."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from node3nb.marketplace.database.schema import jobs
from node3nb.marketplace.store import attempts, history, leases
from node3nb.marketplace.store.attempts import RELEASED, Attempt
from node3nb.marketplace.store.history import Event
from node3nb.marketplace.store.queue import Freed
from node3nb.marketplace.wire.protocol import JobStatus, Outcome, Release

#: Acceptances of a job up to which one that is given back does not count as an attempt.  Each
#: adds to the job's history, which its submitter reads whole.
MOST_FREE = 1000
#: What is said of a job that was given back after that too often.
GIVEN_UP = f"The job was given back by its agents more than {MOST_FREE} times."


def release(
    connection: sa.Connection, job_id: str, agent_id: str, asked: Release, now: float
) -> tuple[Outcome, Freed | None]:
    """Queue a job again that its agent gives back unrun; the attempt does not count.

    Raises
    ------
    Refusal
        The job is unknown, or not the agent's.
    """
    attempts.hold(connection, job_id)
    attempt = attempts.find(connection, job_id, agent_id, asked.lease_id)
    answer = Outcome(status=RELEASED, job_id=job_id)
    if attempt.outcome == RELEASED:
        return answer, None
    attempts.require_open(attempt, asked.lease_id)
    status = connection.execute(
        sa.update(jobs)
        .where(jobs.c.job_id == job_id)
        .values(_after_return(attempt, now))
        .returning(jobs.c.status)
    ).scalar_one()
    leases.end(connection, attempt.lease_id, RELEASED, now)
    history.record(connection, now, job_id, Event.RELEASED, agent_id=agent_id, detail=asked.reason)
    if status == JobStatus.FAILED:
        history.record(connection, now, job_id, Event.FAILED, detail=GIVEN_UP)
        return answer, None
    return answer, Freed(job_id, attempt.needs)


def _after_return(attempt: Attempt, now: float) -> dict[str, Any]:
    """Return what becomes of a job that was given back."""
    if attempt.acceptance > MOST_FREE:
        return leases.after_loss(now, GIVEN_UP)
    return {
        "status": JobStatus.AVAILABLE,
        "lease_expires_at": None,
        "attempts": jobs.c.attempts - 1,
        "finished_at": None,
        "error_type": None,
        "error_message": None,
    }
