"""What happened to each job."""

from __future__ import annotations

import enum
from typing import Any

import sqlalchemy as sa

from node3nb.marketplace.clock import iso
from node3nb.marketplace.database.schema import events


class Event(enum.StrEnum):
    """Something that happened to a job."""

    #: It was submitted.
    SUBMITTED = "submitted"
    #: Its submitter's input is here.
    INPUT_STORED = "input_stored"
    #: An agent took it.
    ACCEPTED = "accepted"
    #: An agent gave it back unrun.
    RELEASED = "released"
    #: Its agent fell silent.
    EXPIRED = "expired"
    #: Its agent was heard again before another took it.
    REVIVED = "revived"
    #: An attempt failed.
    ATTEMPT_FAILED = "attempt_failed"
    #: It succeeded.
    COMPLETED = "completed"
    #: It ended in failure.
    FAILED = "failed"
    #: Its submitter called it off.
    CANCELLED = "cancelled"


_ADD = sa.insert(events)
_OF_JOB = sa.select(events).where(events.c.job_id == sa.bindparam("job")).order_by(events.c.number)


def record(
    connection: sa.Connection,
    now: float,
    job_id: str,
    event: Event,
    *,
    agent_id: str | None = None,
    detail: str = "",
) -> None:
    """Add an event to a job's history."""
    row = {"job_id": job_id, "at": now, "event": event, "agent_id": agent_id, "detail": detail}
    connection.execute(_ADD, row)


def of_job(connection: sa.Connection, job_id: str) -> list[dict[str, Any]]:
    """Return a job's events, oldest first."""
    rows = connection.execute(_OF_JOB, {"job": job_id})
    return [
        {"at": iso(row.at), "event": row.event, "agent_id": row.agent_id, "detail": row.detail}
        for row in rows
    ]
