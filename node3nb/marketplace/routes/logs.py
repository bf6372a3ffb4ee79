"""Calls that carry the live log of a job."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from node3nb.marketplace.bodies import within
from node3nb.marketplace.context import Marketplace
from node3nb.marketplace.logs import MAX_READ_BYTES
from node3nb.marketplace.problems import answers
from node3nb.marketplace.protocol import JobStatus
from node3nb.marketplace.routes.access import Agent, JobId, LeaseId, Market, Submitter
from node3nb.marketplace.store import attempts, views
from node3nb.marketplace.store.outcomes import FINAL
from node3nb.marketplace.words import (
    ATTEMPT_HEADER,
    LOG_OVER_HEADER,
    MAX_WAIT_S,
    NEXT_OFFSET_HEADER,
)

router = APIRouter(prefix="/api/jobs/{job_id}/log")

#: Largest piece of a log that one call may add, in bytes.
MAX_PIECE_BYTES = 1 << 20
#: Seconds that a reader waits who follows a log and does not say how long.
FOLLOW_S = 20.0

Offset = Annotated[int, Query(ge=0, le=1 << 40)]
Follow = Annotated[bool | Literal[""], Query()]
WaitS = Annotated[float, Query(ge=0, le=MAX_WAIT_S)]
AttemptNumber = Annotated[int | None, Query(ge=0, le=1 << 31)]


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
    market.log_readers.tell(job_id)
    return {"offset": end}


@router.get("", responses=answers(401, 403, 404))
async def read(
    market: Market,
    submitter: Submitter,
    job_id: JobId,
    request: Request,
    *,
    offset: Offset = 0,
    follow: Follow = False,
    wait_s: WaitS = FOLLOW_S,
    attempt: AttemptNumber = None,
) -> Response:
    """Send what the log of the latest attempt holds from an offset on.

    With `follow`, as soon as there is something or the job has ended, after `wait_s` at the
    latest.  To who names the `attempt` that the offset is of, the log of a later one is sent from
    its beginning.
    """
    await market.read(views.require_visible, job_id, submitter)
    loop = asyncio.get_running_loop()
    due = loop.time() + (0 if follow is False else wait_s)
    while not (piece := await _piece(market, job_id, offset, attempt)).news:
        left_s = due - loop.time()
        if left_s <= 0 or market.log_readers.closed or await request.is_disconnected():
            break
        await market.log_readers.wait(job_id, left_s)
    headers = {
        NEXT_OFFSET_HEADER: str(piece.offset + len(piece.content)),
        ATTEMPT_HEADER: str(piece.attempt),
        LOG_OVER_HEADER: str(piece.over).lower(),
    }
    return Response(piece.content, media_type="text/plain; charset=utf-8", headers=headers)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A piece of a job's log at one moment."""

    #: What is sent.
    content: bytes
    #: Where it begins.
    offset: int
    #: The attempt it is of; 0 is before the first.
    attempt: int
    #: Whether nothing will follow.
    over: bool

    @property
    def news(self) -> bool:
        """Whether there is something to tell."""
        return self.over or bool(self.content)


async def _piece(market: Marketplace, job_id: str, offset: int, known: int | None) -> _Piece:
    attempt = await market.read(attempts.latest, job_id)
    if attempt is None:
        # A job that was called off before anybody took it has no log, and will have none.
        over = await market.read(attempts.require_job, job_id) in FINAL
        return _Piece(b"", offset, 0, over)
    if known is not None and known != attempt.acceptance:
        offset = 0
    content = await asyncio.to_thread(market.logs.read, job_id, attempt.acceptance, offset)
    over = attempt.job_status in FINAL and len(content) < MAX_READ_BYTES
    return _Piece(content, offset, attempt.acceptance, over)
