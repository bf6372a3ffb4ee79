"""Calls of submitters: submit, watch, list, call off."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query

from node3nb.marketplace.keys import Caller
from node3nb.marketplace.protocol import JobStatus, JobSubmission, JobView, Outcome
from node3nb.marketplace.routes.access import Admin, Anyone, JobId, Market, Submitter
from node3nb.marketplace.store import outcomes, queue, views

router = APIRouter(prefix="/api")

IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=256)]


@router.post("/jobs", response_model_exclude_none=True)
async def submit(
    market: Market,
    submitter: Submitter,
    submission: JobSubmission,
    idempotency_key: IdempotencyKey = None,
) -> Outcome:
    """Queue a job; a repeated call with the same Idempotency-Key is one job."""
    return await _submit(market, submitter, submission, idempotency_key)


@router.post("/admin/jobs/create", response_model_exclude_none=True)
async def create(
    market: Market,
    admin: Admin,
    submission: JobSubmission,
    idempotency_key: IdempotencyKey = None,
) -> Outcome:
    """Queue a job in the administrator's name."""
    return await _submit(market, admin, submission, idempotency_key)


async def _submit(
    market: Market, submitter: Caller, submission: JobSubmission, idempotency_key: str | None
) -> Outcome:
    submitted = await market.write(
        queue.submit, submission, submitter.owner, idempotency_key, market.now()
    )
    market.announce(submitted.freed)
    return submitted.answer


@router.get("/jobs")
async def listed(
    market: Market,
    caller: Anyone,
    status: JobStatus | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[int | None, Query(ge=1, le=1 << 62)] = None,
) -> dict[str, Any]:
    """List the jobs the caller sees, youngest first; `cursor` goes on where a page ended."""
    return await market.read(views.listed, caller, views.Page(status, limit, cursor))


@router.get("/jobs/{job_id}")
async def one(market: Market, caller: Anyone, job_id: JobId) -> JobView:
    """Tell where a job stands, how it ended and what happened to it."""
    return await market.read(views.one, job_id, caller)


@router.post("/jobs/{job_id}/cancel", response_model_exclude_none=True)
async def cancel(market: Market, submitter: Submitter, job_id: JobId) -> Outcome:
    """Call a job off; its agent hears of it with the next heartbeat."""
    await market.read(views.require_visible, job_id, submitter)
    return await market.write(outcomes.cancel, job_id, market.now())
