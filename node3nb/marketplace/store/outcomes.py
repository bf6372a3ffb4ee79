"""How jobs end: completed, failed, or called off."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from node3nb.jobs import ExitReason
from node3nb.marketplace.database.schema import jobs
from node3nb.marketplace.money import units
from node3nb.marketplace.refusals import Conflict
from node3nb.marketplace.store import attempts, history, leases, ledger
from node3nb.marketplace.store.attempts import Attempt
from node3nb.marketplace.store.history import Event
from node3nb.marketplace.store.queue import Freed
from node3nb.marketplace.wire.protocol import Completion, Failure, JobStatus, Outcome

#: Statuses nothing follows.
FINAL = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)
#: What it sets is named when it is executed.
_SETTLE = sa.update(jobs).where(jobs.c.job_id == sa.bindparam("job"))


def complete(
    connection: sa.Connection, job_id: str, agent_id: str, said: Completion, now: float
) -> Outcome:
    """Take a job's result and pay for it; the same lease again hears the first answer.

    Raises
    ------
    Refusal
        The job is unknown, or its result is not wanted from this agent.
    """
    attempts.hold(connection, job_id)
    attempt = attempts.find(connection, job_id, agent_id, said.lease_id)
    if attempt.outcome == JobStatus.COMPLETED:
        return Outcome.model_validate(attempt.answer)
    attempts.require_open(attempt, said.lease_id)
    answer = Outcome(
        status=JobStatus.COMPLETED,
        job_id=job_id,
        reward=units(attempt.reward_micro),
        job_status=JobStatus.COMPLETED,
    )
    _settle(connection, attempt, JobStatus.COMPLETED, now, **_reported(said))
    _end(connection, attempt, answer, said, now)
    ledger.book(connection, attempt, now)
    history.record(connection, now, job_id, Event.COMPLETED, agent_id=agent_id)
    return answer


def fail(
    connection: sa.Connection, job_id: str, agent_id: str, said: Failure, now: float
) -> tuple[Outcome, Freed | None]:
    """Note that an attempt failed, and queue the job again unless the fault is its own.

    Raises
    ------
    Refusal
        The job is unknown, or its failure is not wanted from this agent.
    """
    attempts.hold(connection, job_id)
    attempt = attempts.find(connection, job_id, agent_id, said.lease_id)
    if attempt.outcome == JobStatus.FAILED:
        return Outcome.model_validate(attempt.answer), None
    if attempt.called_off:
        return _answer_to_failure(job_id, JobStatus.CANCELLED), None
    attempts.require_open(attempt, said.lease_id)
    again = attempt.attempts < attempt.max_attempts and not _jobs_own(said.error_type)
    status = JobStatus.AVAILABLE if again else JobStatus.FAILED
    answer = _answer_to_failure(job_id, status)
    facts = {} if again else _reported(said) | _fault(said)
    _settle(connection, attempt, status, now, **facts)
    _end(connection, attempt, answer, said, now)
    detail = ": ".join(filter(None, (said.error_type, said.error_message)))
    event = Event.ATTEMPT_FAILED if again else Event.FAILED
    history.record(connection, now, job_id, event, agent_id=agent_id, detail=detail)
    return answer, Freed(job_id, attempt.needs) if again else None


def cancel(connection: sa.Connection, job_id: str, now: float) -> Outcome:
    """Call a job off; its agent hears of it with the next heartbeat.

    Raises
    ------
    Unknown
        There is no such job.
    Conflict
        It has ended.
    """
    attempts.hold(connection, job_id)
    status = attempts.require_job(connection, job_id)
    if status in {JobStatus.COMPLETED, JobStatus.FAILED}:
        raise Conflict(f"The job is {status} already; there is nothing to cancel.")
    if status is not JobStatus.CANCELLED:
        _call_off(connection, job_id, now)
    return Outcome(status=JobStatus.CANCELLED, job_id=job_id)


def _call_off(connection: sa.Connection, job_id: str, now: float) -> None:
    attempt = attempts.latest(connection, job_id)
    connection.execute(
        sa.update(jobs)
        .where(jobs.c.job_id == job_id)
        .values(status=JobStatus.CANCELLED, lease_expires_at=None, finished_at=now)
    )
    if attempt is not None and attempt.outcome is None:
        leases.end(connection, attempt.lease_id, JobStatus.CANCELLED, now)
    history.record(connection, now, job_id, Event.CANCELLED)


def _settle(
    connection: sa.Connection, attempt: Attempt, status: JobStatus, now: float, **facts: Any
) -> None:
    settled = {
        "job": attempt.job_id,
        "status": status,
        "lease_expires_at": None,
        "finished_at": now if status in FINAL else None,
        "error_type": None,
        "error_message": None,
    }
    connection.execute(_SETTLE, settled | facts)


def _end(
    connection: sa.Connection,
    attempt: Attempt,
    answer: Outcome,
    said: Completion | Failure,
    now: float,
) -> None:
    spoken = {"started_at", "completed_at", "failed_at", "duration", "execution_time"}
    leases.end(
        connection,
        attempt.lease_id,
        answer.status,
        now,
        answer=answer.model_dump(mode="json", exclude_none=True),
        report=said.model_dump(mode="json", include=spoken),
    )


def _reported(said: Completion | Failure) -> dict[str, Any]:
    return {"output_data": said.output_data, "metrics": said.metrics}


def _fault(said: Failure) -> dict[str, Any]:
    return {"error_type": said.error_type, "error_message": said.error_message}


def _jobs_own(error_type: str | None) -> bool:
    return error_type in list(ExitReason) and ExitReason(error_type).jobs_own


def _answer_to_failure(job_id: str, job_status: JobStatus) -> Outcome:
    """Return the base table's answer, which is of the attempt, with the job's state beside it."""
    status = JobStatus.CANCELLED if job_status is JobStatus.CANCELLED else JobStatus.FAILED
    return Outcome(status=status, job_id=job_id, job_status=job_status)
