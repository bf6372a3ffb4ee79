"""One acceptance of a job by one agent: how it is found, and whether it may still act."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from node3nb.jobs import ExitReason
from node3nb.marketplace.database.schema import jobs, leases
from node3nb.marketplace.refusals import NotYours, Superseded, Unknown, WrongState
from node3nb.marketplace.resources import Resources, of_shape
from node3nb.marketplace.wire.protocol import JobStatus

#: Statuses of a job that an agent holds.
HELD = (JobStatus.ACCEPTED, JobStatus.DOWNLOADING, JobStatus.RUNNING, JobStatus.UPLOADING)
#: Outcome of a lease that ended in silence.
EXPIRED = "expired"
#: Outcome of a lease that its agent gave back.
RELEASED = "released"


_ATTEMPTS = (
    sa.select(
        jobs,
        leases.c.lease_id.label("meant"),
        leases.c.agent_id.label("holder"),
        leases.c.acceptance,
        leases.c.accepted_at,
        leases.c.wallet_address,
        leases.c.outcome,
        leases.c.answer,
    )
    .join(leases, leases.c.job_id == jobs.c.job_id)
    .where(jobs.c.job_id == sa.bindparam("job"))
    .order_by(leases.c.acceptance.desc())
    .limit(1)
)
_OF_AGENT = _ATTEMPTS.where(leases.c.agent_id == sa.bindparam("agent"))
_NAMED = _OF_AGENT.where(leases.c.lease_id == sa.bindparam("lease"))
_HOLD = (
    sa.select(jobs.c.number)
    .where(jobs.c.job_id == sa.bindparam("job"))
    .with_for_update(key_share=True)
)
_STATUS = sa.select(jobs.c.status).where(jobs.c.job_id == sa.bindparam("job"))
_ADVANCE = sa.update(jobs).where(
    jobs.c.lease_id == sa.bindparam("lease"),
    jobs.c.status.in_(sa.bindparam("earlier", expanding=True)),
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """An acceptance of a job, and where both stand."""

    #: The job.
    job_id: str
    #: Status of the job.
    job_status: JobStatus
    #: What the job needs.
    needs: Resources
    #: Who submitted it.
    submitter: str
    #: What its completion pays, in micro-units.
    reward_micro: int
    #: Acceptances that count.
    attempts: int
    #: Acceptances the job may have.
    max_attempts: int
    #: Why the job failed, where it did.
    error_type: str | None
    #: The lease.
    lease_id: str
    #: Who holds or held it.
    agent_id: str
    #: Where that agent is paid.
    wallet_address: str
    #: When it was accepted.
    accepted_at: float
    #: How long the job may run, in seconds.
    timeout_s: float
    #: Which acceptance of the job it is, from 1.
    acceptance: int
    #: Whether nobody has accepted the job since.
    latest: bool
    #: How the lease ended; None while it runs.
    outcome: str | None
    #: What its end was answered.
    answer: dict[str, Any] | None

    @property
    def open(self) -> bool:
        """Whether its result is still wanted, be it late."""
        if not self.latest:
            return False
        return self.outcome is None or (self.outcome == EXPIRED and self.lost)

    @property
    def called_off(self) -> bool:
        """Whether its job was cancelled while it was the last to hold it."""
        return self.latest and self.job_status is JobStatus.CANCELLED

    @property
    def lost(self) -> bool:
        """Whether the job waits for another agent, or was given up for want of one."""
        given_up = self.job_status is JobStatus.FAILED and self.error_type == ExitReason.LOST
        return given_up or self.job_status is JobStatus.AVAILABLE


def hold(connection: sa.Connection, job_id: str) -> None:
    """Keep everybody else from changing a job until this transaction ends.

    What is read after it stays so; SQLite has one writer, and every transaction is alone.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(_HOLD, {"job": job_id})


def find(
    connection: sa.Connection, job_id: str, agent_id: str, lease_id: str | None = None
) -> Attempt:
    """Return the acceptance an agent means: the one it names, or its last one.

    Raises
    ------
    Unknown
        There is no such job.
    NotYours
        The agent never accepted it.
    """
    attempt = find_or_none(connection, job_id, agent_id, lease_id)
    if attempt is None:
        require_job(connection, job_id)
        raise NotYours
    return attempt


def find_or_none(
    connection: sa.Connection, job_id: str, agent_id: str, lease_id: str | None
) -> Attempt | None:
    """Return the acceptance an agent means; None when there is none."""
    if lease_id is None:
        return _first(connection, _OF_AGENT, job=job_id, agent=agent_id)
    return _first(connection, _NAMED, job=job_id, agent=agent_id, lease=lease_id)


def latest(connection: sa.Connection, job_id: str) -> Attempt | None:
    """Return the last acceptance of a job; None before the first."""
    return _first(connection, _ATTEMPTS, job=job_id)


def _first(connection: sa.Connection, query: sa.Select[Any], **named: str) -> Attempt | None:
    row = connection.execute(query, named).one_or_none()
    return None if row is None else _attempt(row)


def _attempt(row: sa.Row[Any]) -> Attempt:
    return Attempt(
        job_id=row.job_id,
        job_status=JobStatus(row.status),
        needs=of_shape(row.shape),
        submitter=row.submitter,
        reward_micro=row.reward_micro,
        attempts=row.attempts,
        max_attempts=row.max_attempts,
        error_type=row.error_type,
        lease_id=row.meant,
        agent_id=row.holder,
        wallet_address=row.wallet_address,
        accepted_at=row.accepted_at,
        timeout_s=row.timeout_s,
        acceptance=row.acceptance,
        latest=row.acceptance == row.acceptances,
        outcome=row.outcome,
        answer=row.answer,
    )


def require_open(attempt: Attempt, lease_id: str | None) -> None:
    """Refuse an acceptance whose word does not count any more.

    A base agent, which names no lease, hears the codes of the base table.

    Raises
    ------
    Superseded
        It named its lease.
    WrongState
        The job was its own, but has ended.
    NotYours
        Somebody else has accepted the job since.
    """
    if attempt.open:
        return
    if lease_id is not None:
        raise Superseded
    if attempt.latest:
        raise WrongState(f"The job is {attempt.job_status}; its result is not wanted any more.")
    raise NotYours("The job is not yours any more; another agent has accepted it.")


def require_job(connection: sa.Connection, job_id: str) -> JobStatus:
    """Return the status of a job.

    Raises
    ------
    Unknown
        There is no such job.
    """
    status = connection.execute(_STATUS, {"job": job_id}).scalar_one_or_none()
    if status is None:
        raise Unknown
    return JobStatus(status)


def stand(connection: sa.Connection, job_ids: Sequence[str]) -> dict[str, tuple[int, JobStatus]]:
    """Return for each of some jobs how often it has been accepted, and its status."""
    query = sa.select(jobs.c.job_id, jobs.c.acceptances, jobs.c.status)
    rows = connection.execute(query.where(jobs.c.job_id.in_(job_ids)))
    return {row.job_id: (row.acceptances, JobStatus(row.status)) for row in rows}


def advance(connection: sa.Connection, attempt: Attempt, status: JobStatus) -> None:
    """Move a held job forward to a status that its agent's doings imply; never back."""
    earlier = HELD[: HELD.index(status)]
    named = {"lease": attempt.lease_id, "earlier": earlier, "status": status}
    connection.execute(_ADVANCE, named)
