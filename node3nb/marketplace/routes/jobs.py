"""Calls of submitters: submit, watch, list, call off."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response

from node3nb.marketplace import cursors
from node3nb.marketplace.cursors import Cursor
from node3nb.marketplace.keys import Caller
from node3nb.marketplace.pages import JobPage
from node3nb.marketplace.problems import answers
from node3nb.marketplace.routes.access import Admin, Anyone, JobId, Market, Submitter
from node3nb.marketplace.store import outcomes, queue, views
from node3nb.marketplace.wire.protocol import JobStatus, JobSubmission, JobView, Outcome

router = APIRouter(prefix="/api")

IfNoneMatch = Annotated[
    str | None, Header(max_length=1024, description="ETags of answers that the caller still has.")
]
_SEEN: dict[int | str, dict[str, Any]] = {
    **answers(401, 403, 404),
    200: {"headers": {"ETag": {"description": "Names the answer.", "schema": {"type": "string"}}}},
    304: {"description": "The answer is the one named in If-None-Match."},
}
IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=256)]


@router.post("/jobs", response_model_exclude_none=True, responses=answers(401, 403, 409))
async def submit(
    market: Market,
    submitter: Submitter,
    submission: JobSubmission,
    idempotency_key: IdempotencyKey = None,
) -> Outcome:
    """Queue a job; a repeated call with the same Idempotency-Key is one job."""
    return await _submit(market, submitter, submission, idempotency_key)


@router.post(
    "/admin/jobs/create", response_model_exclude_none=True, responses=answers(401, 403, 409)
)
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


@router.get("/jobs", responses=answers(401, 403))
async def listed(
    market: Market,
    caller: Anyone,
    status: JobStatus | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Cursor = None,
) -> JobPage:
    """List the jobs the caller sees, youngest first."""
    which, secret = f"jobs {status}", market.keys.url_secret
    before = cursors.opened(secret, which, cursor)[0] if cursor else None
    shown, last = await market.read(views.listed, caller, views.Page(status, limit, before))
    return JobPage(jobs=shown, cursor=cursors.made(secret, which, [last]) if last else None)


@router.get("/jobs/{job_id}", response_model=JobView, responses=_SEEN)
async def one(
    market: Market, caller: Anyone, job_id: JobId, if_none_match: IfNoneMatch = None
) -> Response:
    """Tell where a job stands, how it ended and what happened to it; 304 if nothing is new."""
    view = await market.read(views.one, job_id, caller)
    content = view.model_dump_json().encode()
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if if_none_match is not None and _names(if_none_match, etag):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type="application/json")


def _names(if_none_match: str, etag: str) -> bool:
    """Whether an If-None-Match names an ETag; the weak comparison of RFC 9110, 13.1.2."""
    named = [each.strip().removeprefix("W/") for each in if_none_match.split(",")]
    return "*" in named or etag in named


@router.post(
    "/jobs/{job_id}/cancel",
    response_model_exclude_none=True,
    responses=answers(401, 403, 404, 409),
)
async def cancel(market: Market, submitter: Submitter, job_id: JobId) -> Outcome:
    """Call a job off; its agent hears of it with the next heartbeat."""
    await market.read(views.require_visible, job_id, submitter)
    return await market.write(outcomes.cancel, job_id, market.now())
