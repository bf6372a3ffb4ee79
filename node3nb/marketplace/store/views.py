"""Jobs as their people see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from node3nb.marketplace.clock import iso_or_none
from node3nb.marketplace.database.schema import jobs
from node3nb.marketplace.keys import Caller, Role
from node3nb.marketplace.money import units
from node3nb.marketplace.refusals import Unknown
from node3nb.marketplace.store import history
from node3nb.marketplace.wire.protocol import JobStatus, JobSummary, JobView

#: Columns of a listed job; what may be large is left to the single view.
_LISTED: tuple[sa.ColumnElement[Any], ...] = (
    jobs.c.number,
    jobs.c.job_id,
    jobs.c.status,
    jobs.c.spec["job_type"].as_string().label("job_type"),
    jobs.c.reward_micro,
    jobs.c.attempts,
    jobs.c.max_attempts,
    jobs.c.agent_id,
    jobs.c.submitted_at,
    jobs.c.started_at,
    jobs.c.finished_at,
    jobs.c.error_message,
    jobs.c.error_type,
)


@dataclass(frozen=True, slots=True)
class Page:
    """Which of the jobs are listed."""

    #: Only jobs of this status; None is any.
    status: JobStatus | None = None
    #: How many at most.
    limit: int = 100
    #: Only jobs older than this number; None starts with the youngest.
    before: int | None = None


def visible_to(caller: Caller) -> sa.ColumnElement[bool]:
    """Return which jobs a caller sees: all, those it submitted, or those it holds or held."""
    if caller.role is Role.ADMIN:
        return sa.true()
    column = jobs.c.submitter if caller.role is Role.CONSUMER else jobs.c.agent_id
    return column == caller.owner


def require_visible(connection: sa.Connection, job_id: str, caller: Caller) -> None:
    """Refuse a job that the caller may not know of.

    Raises
    ------
    Unknown
        There is no such job among those the caller sees.
    """
    seen = sa.exists().where(jobs.c.job_id == job_id, visible_to(caller))
    if not connection.execute(sa.select(seen)).scalar_one():
        raise Unknown


def one(connection: sa.Connection, job_id: str, caller: Caller) -> JobView:
    """Return a job with its result and its history.

    Raises
    ------
    Unknown
        There is no such job among those the caller sees.
    """
    row = connection.execute(
        sa.select(jobs).where(jobs.c.job_id == job_id, visible_to(caller))
    ).one_or_none()
    if row is None:
        raise Unknown
    return JobView(
        **_told(row, row.spec["job_type"]),
        output_data=row.output_data,
        metrics=row.metrics,
        history=history.of_job(connection, job_id),
    )


def listed(
    connection: sa.Connection, caller: Caller, page: Page
) -> tuple[list[JobSummary], int | None]:
    """Return a page of jobs, youngest first, and the number of its last one if more follow."""
    conditions = [visible_to(caller)]
    if page.status is not None:
        conditions.append(jobs.c.status == page.status)
    if page.before is not None:
        conditions.append(jobs.c.number < page.before)
    rows = connection.execute(
        sa.select(*_LISTED).where(*conditions).order_by(jobs.c.number.desc()).limit(page.limit + 1)
    ).all()
    shown = rows[: page.limit]
    last = shown[-1].number if len(rows) > page.limit else None
    return [JobSummary(**_told(row, row.job_type)) for row in shown], last


def counts(connection: sa.Connection) -> dict[str, int]:
    """Return how many jobs there are of each status."""
    rows = connection.execute(
        sa.select(jobs.c.status, sa.func.count().label("number")).group_by(jobs.c.status)
    )
    found = {row.status: row.number for row in rows}
    return {status: found.get(status, 0) for status in JobStatus}


def _told(row: sa.Row[Any], job_type: str) -> dict[str, Any]:
    return {
        "job_id": row.job_id,
        "status": row.status,
        "job_type": job_type,
        "reward": units(row.reward_micro),
        "attempts": row.attempts,
        "max_attempts": row.max_attempts,
        "agent_id": row.agent_id,
        "submitted_at": iso_or_none(row.submitted_at),
        "started_at": iso_or_none(row.started_at),
        "finished_at": iso_or_none(row.finished_at),
        "error_message": row.error_message,
        "error_type": row.error_type,
    }
