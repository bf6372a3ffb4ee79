"""The queue: jobs come in, and are offered to agents by age and priority."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from node3nb.marketplace.database.schema import artifacts, jobs
from node3nb.marketplace.money import micro
from node3nb.marketplace.refusals import Conflict
from node3nb.marketplace.resources import Resources, needs_of, of_shape
from node3nb.marketplace.store import history, lines
from node3nb.marketplace.store.history import Event
from node3nb.marketplace.wire.protocol import JobStatus, JobSubmission, Outcome

#: How far a priority of 1 puts a job forward, in seconds.  Priorities are bounded, so every job
#: comes to its turn: all that can pass it was submitted within a day and a half of it.
PRIORITY_S = 60.0

_ADD = sa.insert(jobs)
_SUBMITTED_BEFORE = sa.select(jobs.c.job_id, jobs.c.status, jobs.c.spec).where(
    jobs.c.submitter == sa.bindparam("submitter"),
    jobs.c.idempotency_key == sa.bindparam("idempotency_key"),
)
_INPUT = sa.and_(artifacts.c.job_id == jobs.c.job_id, artifacts.c.kind == "input")
_NAMED = sa.select(jobs.c.job_id, jobs.c.shape)
_SIZED = _NAMED.add_columns(sa.func.length(sa.cast(jobs.c.spec, sa.Text)).label("size"))
_OFFERED = sa.select(
    *(jobs.c.job_id, jobs.c.shape, jobs.c.spec, jobs.c.acceptances),
    artifacts.c.sha256.label("input_sha256"),
).select_from(sa.outerjoin(jobs, artifacts, _INPUT))


@dataclass(frozen=True, slots=True)
class Freed:
    """A job that has just become available."""

    #: The job.
    job_id: str
    #: What it needs.
    needs: Resources


@dataclass(frozen=True, slots=True)
class Waiting(Freed):
    """A job that waits in the queue."""

    #: Characters of its submission as JSON.
    size: int


@dataclass(frozen=True, slots=True)
class Queued:
    """A job that an agent may be offered."""

    #: The job.
    job_id: str
    #: What it needs.
    needs: Resources
    #: The submission, as it came.
    spec: Mapping[str, Any]
    #: How often it has been accepted before.
    acceptances: int
    #: SHA-256 of the input kept here, in hex; None when none is.
    input_sha256: str | None


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of a submission."""

    #: The answer to the submitter.
    answer: Outcome
    #: The job, when it is new and available at once.
    freed: Freed | None = None


def submit(
    connection: sa.Connection,
    submission: JobSubmission,
    submitter: str,
    idempotency_key: str | None,
    now: float,
) -> Submitted:
    """Queue a job, once for each idempotency key.

    Raises
    ------
    JobSpecError
        A field that a provider would refuse, named.
    Conflict
        The same idempotency key came with another job.
    """
    wire = submission.model_dump(mode="json")
    if idempotency_key is not None:
        earlier = _submitted_before(connection, submitter, idempotency_key, wire)
        if earlier is not None:
            return Submitted(earlier)
    job_id = uuid.uuid4().hex
    needs = needs_of(submission, submission.checked(job_id))
    status = JobStatus.PENDING if submission.awaits_input else JobStatus.AVAILABLE
    row = {
        "job_id": job_id,
        "submitter": submitter,
        "idempotency_key": idempotency_key,
        "status": status,
        "spec": wire,
        "shape": needs.shape,
        "precedence": now - submission.priority * PRIORITY_S,
        "reward_micro": micro(submission.reward),
        "timeout_s": submission.timeout,
        "submitted_at": now,
        "attempts": 0,
        "max_attempts": submission.max_attempts,
        "acceptances": 0,
    }
    connection.execute(_ADD, row)
    history.record(connection, now, job_id, Event.SUBMITTED)
    freed = Freed(job_id, needs) if status is JobStatus.AVAILABLE else None
    return Submitted(Outcome(status=status, job_id=job_id), freed)


def _submitted_before(
    connection: sa.Connection, submitter: str, idempotency_key: str, wire: Mapping[str, Any]
) -> Outcome | None:
    named = {"submitter": submitter, "idempotency_key": idempotency_key}
    row = connection.execute(_SUBMITTED_BEFORE, named).one_or_none()
    if row is None:
        return None
    if row.spec != wire:
        raise Conflict("Idempotency-Key: it was used for another job; choose a new one.")
    return Outcome(status=row.status, job_id=row.job_id)


def available(connection: sa.Connection, has: Resources, limit: int) -> list[Waiting]:
    """Return the first jobs of the queue that an agent can run."""
    rows = _first(connection, _SIZED, [has], limit)
    return [Waiting(row.job_id, of_shape(row.shape), row.size) for row in rows]


def offered(connection: sa.Connection, job_ids: Sequence[str]) -> list[Queued]:
    """Return all that an agent is told of jobs, in this order."""
    rows = connection.execute(_OFFERED.where(jobs.c.job_id.in_(job_ids)))
    found = {
        row.job_id: Queued(
            row.job_id, of_shape(row.shape), row.spec, row.acceptances, row.input_sha256
        )
        for row in rows
    }
    return [found[job_id] for job_id in job_ids]


def waiting_for(connection: sa.Connection, offers: Sequence[Resources], limit: int) -> list[Freed]:
    """Return the first jobs of the queue that any of some agents can run."""
    rows = _first(connection, _NAMED, offers, limit)
    return [Freed(row.job_id, of_shape(row.shape)) for row in rows]


def _first(
    connection: sa.Connection, query: sa.Select[Any], offers: Sequence[Resources], limit: int
) -> Sequence[sa.Row[Any]]:
    numbers = lines.first(connection, offers, limit)
    ordered = query.order_by(jobs.c.precedence, jobs.c.number)
    return connection.execute(ordered.where(jobs.c.number.in_(numbers))).all()


def make_available(connection: sa.Connection, job_id: str) -> Freed | None:
    """Offer a job that waited for its input; None when it did not wait."""
    row = connection.execute(
        sa.update(jobs)
        .where(jobs.c.job_id == job_id, jobs.c.status == JobStatus.PENDING)
        .values(status=JobStatus.AVAILABLE)
        .returning(*jobs.c)
    ).one_or_none()
    return None if row is None else Freed(row.job_id, of_shape(row.shape))
