"""Leases: a job belongs to one agent for a while, renewed by its heartbeats."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from node3nb.jobs import ExitReason
from node3nb.marketplace.clock import iso
from node3nb.marketplace.database.schema import jobs, leases
from node3nb.marketplace.money import units
from node3nb.marketplace.refusals import WrongState
from node3nb.marketplace.resources import of_shape
from node3nb.marketplace.store import attempts, history
from node3nb.marketplace.store.attempts import EXPIRED, HELD, Attempt
from node3nb.marketplace.store.history import Event
from node3nb.marketplace.store.queue import Freed
from node3nb.marketplace.wire.protocol import Accepted, HeartbeatAnswer, JobStatus

#: A lease is renewed for the job's own time limit and this much more, in seconds, so that an
#: agent that holds a job and does not run it loses it.  Who names a lease may need the time to
#: fetch 8 GiB and to send as many at 10 Mbit/s, and to wait for room in between; who names
#: none, a base agent, fetches little.
NAMED_SLACK_S, UNNAMED_SLACK_S = 6 * 3600.0, 600.0
#: Most leases ended in one transaction.
EXPIRED_AT_ONCE = 200
#: What is said of a job whose agent fell silent too often.
SILENT = "The agent fell silent and its lease ended."


_ACCEPT = (
    sa.update(jobs)
    .where(jobs.c.job_id == sa.bindparam("job"), jobs.c.status == JobStatus.AVAILABLE)
    .values(
        status=JobStatus.ACCEPTED,
        agent_id=sa.bindparam("agent"),
        lease_id=sa.bindparam("lease"),
        lease_expires_at=sa.bindparam("expires_at"),
        started_at=sa.bindparam("now"),
        attempts=jobs.c.attempts + 1,
        acceptances=jobs.c.acceptances + 1,
    )
    .returning(jobs.c.reward_micro, jobs.c.acceptances)
)
_OPEN = sa.insert(leases)
_RAN_OUT = (
    sa.select(jobs.c.number)
    .where(jobs.c.lease_expires_at <= sa.bindparam("now"))
    .order_by(jobs.c.lease_expires_at)
    .limit(EXPIRED_AT_ONCE)
    .with_for_update(skip_locked=True, key_share=True)
)
#: What they set is named when they are executed: it takes longer to say so in Python than to do it.
_OF_LEASE = sa.update(jobs).where(jobs.c.lease_id == sa.bindparam("lease"))
_END = sa.update(leases).where(leases.c.lease_id == sa.bindparam("lease"))
_EXPIRED = sa.select(sa.exists().where(jobs.c.lease_expires_at <= sa.bindparam("now")))


@dataclass(frozen=True, slots=True)
class Claim:
    """Who wants a job, and on what terms."""

    #: The agent.
    agent_id: str
    #: Where it is paid.
    wallet_address: str
    #: Its own name for this request, by which a repeated one is known; None for none.
    request_id: str | None
    #: The time.
    now: float
    #: How long the lease lasts, in seconds.
    lease_s: float


def accept(connection: sa.Connection, job_id: str, claim: Claim) -> Accepted:
    """Give an available job to an agent.

    Raises
    ------
    WrongState
        It is not available any more.
    Unknown
        There is no such job.
    """
    lease_id, expires_at = uuid.uuid4().hex, claim.now + claim.lease_s
    terms = {
        "job": job_id,
        "agent": claim.agent_id,
        "lease": lease_id,
        "expires_at": expires_at,
        "now": claim.now,
    }
    row = connection.execute(_ACCEPT, terms).one_or_none()
    if row is None:
        earlier = _accepted_before(connection, job_id, claim)
        if earlier is not None:
            return earlier
        status = attempts.require_job(connection, job_id)
        raise WrongState(f"The job is no longer available; it is {status}.")
    _open_lease(connection, job_id, lease_id, row.acceptances, claim)
    history.record(connection, claim.now, job_id, Event.ACCEPTED, agent_id=claim.agent_id)
    return _accepted(job_id, row.reward_micro, lease_id, expires_at)


def _open_lease(
    connection: sa.Connection, job_id: str, lease_id: str, acceptance: int, claim: Claim
) -> None:
    row = {
        "lease_id": lease_id,
        "job_id": job_id,
        "agent_id": claim.agent_id,
        "acceptance": acceptance,
        "wallet_address": claim.wallet_address,
        "request_id": claim.request_id,
        "accepted_at": claim.now,
    }
    connection.execute(_OPEN, row)


def _accepted_before(connection: sa.Connection, job_id: str, claim: Claim) -> Accepted | None:
    """Return the answer to the same request, when the agent still holds what it gave."""
    if claim.request_id is None:
        return None
    row = connection.execute(
        sa.select(jobs.c.reward_micro, jobs.c.lease_id, jobs.c.lease_expires_at)
        .join(leases, leases.c.lease_id == jobs.c.lease_id)
        .where(
            jobs.c.job_id == job_id,
            jobs.c.status.in_(HELD),
            leases.c.agent_id == claim.agent_id,
            leases.c.request_id == claim.request_id,
        )
    ).one_or_none()
    if row is None:
        return None
    return _accepted(job_id, row.reward_micro, row.lease_id, row.lease_expires_at)


def _accepted(job_id: str, reward_micro: int, lease_id: str, expires_at: float) -> Accepted:
    return Accepted(
        status=JobStatus.ACCEPTED,
        job_id=job_id,
        reward=units(reward_micro),
        lease_id=lease_id,
        lease_expires_at=iso(expires_at),
    )


def renew_named(
    connection: sa.Connection, agent_id: str, named: Mapping[str, str], now: float, lease_s: float
) -> HeartbeatAnswer:
    """Renew the leases an agent names, and tell which are not its own any more."""
    renewed: dict[str, str] = {}
    cancelled: list[str] = []
    taken = _taken(connection, agent_id, named)
    unknown = sorted(named.keys() - taken)
    for job_id in sorted(taken):  # in one order, or two would wait for each other
        attempts.hold(connection, job_id)
        attempt = attempts.find_or_none(connection, job_id, agent_id, named[job_id])
        if attempt is not None and attempt.open and _in_time(attempt, now):
            _renew(connection, attempt, now, now + lease_s)
            renewed[job_id] = iso(now + lease_s)
        elif attempt is not None and attempt.called_off:
            cancelled.append(job_id)
        else:
            unknown.append(job_id)
    return HeartbeatAnswer(
        status="ok", timestamp=iso(now), leases=renewed, cancel=cancelled, unknown=unknown
    )


def _taken(connection: sa.Connection, agent_id: str, named: Collection[str]) -> set[str]:
    """Return those of some jobs that an agent has ever taken: made-up names cost one look."""
    query = sa.select(leases.c.job_id).where(
        leases.c.job_id.in_(named), leases.c.agent_id == agent_id
    )
    return set(connection.execute(query).scalars())


def _in_time(attempt: Attempt, now: float) -> bool:
    return now < attempt.accepted_at + attempt.timeout_s + NAMED_SLACK_S


def _renew(connection: sa.Connection, attempt: Attempt, now: float, expires_at: float) -> None:
    if attempt.outcome == EXPIRED:
        revive(connection, attempt, now)
    attempts.advance(connection, attempt, JobStatus.RUNNING)
    connection.execute(_OF_LEASE, {"lease": attempt.lease_id, "lease_expires_at": expires_at})


def revive(connection: sa.Connection, attempt: Attempt, now: float) -> None:
    """Give an expired lease back to its agent, which was heard before anybody else came."""
    connection.execute(
        sa.update(leases)
        .where(leases.c.lease_id == attempt.lease_id)
        .values(outcome=None, ended_at=None)
    )
    connection.execute(
        sa.update(jobs)
        .where(jobs.c.lease_id == attempt.lease_id)
        .values(
            status=JobStatus.RUNNING,
            lease_expires_at=now,
            finished_at=None,
            error_type=None,
            error_message=None,
        )
    )
    history.record(connection, now, attempt.job_id, Event.REVIVED, agent_id=attempt.agent_id)


def renew_unnamed(
    connection: sa.Connection, agent_id: str, now: float, lease_s: float
) -> HeartbeatAnswer:
    """Renew all that a base agent holds, within the time that each job may take."""
    connection.execute(
        sa.update(jobs)
        .where(
            jobs.c.agent_id == agent_id,
            jobs.c.lease_expires_at.is_not(None),
            jobs.c.started_at + jobs.c.timeout_s + UNNAMED_SLACK_S > now,
        )
        .values(lease_expires_at=now + lease_s)
    )
    return HeartbeatAnswer(status="ok", timestamp=iso(now))


def any_expired(connection: sa.Connection, now: float) -> bool:
    """Whether a lease has run out."""
    return bool(connection.execute(_EXPIRED, {"now": now}).scalar_one())


def expire(connection: sa.Connection, now: float) -> list[Freed]:
    """End the leases that ran out; return the jobs that are available again."""
    numbers = connection.execute(_RAN_OUT, {"now": now}).scalars().all()
    rows = connection.execute(
        sa.update(jobs)
        .where(jobs.c.number.in_(numbers))
        .values(after_loss(now, SILENT))
        .returning(*jobs.c)
    ).all()
    for row in rows:
        end(connection, row.lease_id, EXPIRED, now)
        history.record(connection, now, row.job_id, Event.EXPIRED, agent_id=row.agent_id)
        if row.status == JobStatus.FAILED:
            history.record(connection, now, row.job_id, Event.FAILED, detail=SILENT)
    return [
        Freed(row.job_id, of_shape(row.shape)) for row in rows if row.status == JobStatus.AVAILABLE
    ]


def after_loss(now: float, told: str) -> dict[str, Any]:
    """Return what becomes of a job whose agent is lost: queued again, or given up."""
    again = jobs.c.attempts < jobs.c.max_attempts
    return {
        "lease_expires_at": None,
        "status": sa.case((again, JobStatus.AVAILABLE), else_=JobStatus.FAILED),
        "finished_at": sa.case((again, None), else_=now),
        "error_type": sa.case((again, None), else_=ExitReason.LOST),
        "error_message": sa.case((again, None), else_=told),
    }


def end(connection: sa.Connection, lease_id: str, outcome: str, now: float, **facts: Any) -> None:
    """Note how a lease ended."""
    said = {"lease": lease_id, "outcome": outcome, "ended_at": now, **facts}
    connection.execute(_END, said)
