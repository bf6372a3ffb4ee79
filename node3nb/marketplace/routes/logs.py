"""Calls that carry the live log of a job."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from node3nb.marketplace.bodies import within
from node3nb.marketplace.problems import answers
from node3nb.marketplace.protocol import JobStatus
from node3nb.marketplace.routes.access import Agent, JobId, LeaseId, Market, Submitter
from node3nb.marketplace.store import attempts, views

router = APIRouter(prefix="/api/jobs/{job_id}/log")

#: Largest piece of a log that one call may add, in bytes.
MAX_PIECE_BYTES = 1 << 20
#: Header that says where to go on reading.
NEXT_OFFSET_HEADER = "X-Next-Offset"

Offset = Annotated[int, Query(ge=0, le=1 << 40)]


@router.patch("", responses=answers(401, 403, 404, 409))
async def append(
    market: Market,
    agent: Agent,
    job_id: JobId,
    request: Request,
    *,
    offset: Offset = 0,
    lease_id: LeaseId = None,
) -> dict[str, int]:
    """Add to the log of the attempt; at a wrong offset, tell the right one."""
    attempt = await market.read(attempts.find, job_id, agent.owner, lease_id)
    attempts.require_open(attempt, lease_id)
    piece = b"".join([chunk async for chunk in within(request.stream(), MAX_PIECE_BYTES)])
    if attempt.job_status in {JobStatus.ACCEPTED, JobStatus.DOWNLOADING}:
        await market.write(attempts.advance, attempt, JobStatus.RUNNING)
    end = await asyncio.to_thread(market.logs.append, job_id, attempt.acceptance, offset, piece)
    return {"offset": end}


@router.get("", responses=answers(401, 403, 404))
async def read(market: Market, submitter: Submitter, job_id: JobId, offset: Offset = 0) -> Response:
    """Send what the log of the latest attempt holds from an offset on."""
    await market.read(views.require_visible, job_id, submitter)
    attempt = await market.read(attempts.latest, job_id)
    acceptance = 0 if attempt is None else attempt.acceptance
    piece = await asyncio.to_thread(market.logs.read, job_id, acceptance, offset)
    headers = {NEXT_OFFSET_HEADER: str(offset + len(piece))}
    return Response(piece, media_type="text/plain; charset=utf-8", headers=headers)
