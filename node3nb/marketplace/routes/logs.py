"""Calls that carry the live log of a job."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from node3nb.marketplace.bodies import within
from node3nb.marketplace.context import Marketplace
from node3nb.marketplace.following import Follower, LogState
from node3nb.marketplace.logs import MAX_READ_BYTES
from node3nb.marketplace.problems import answers
from node3nb.marketplace.refusals import Refusal
from node3nb.marketplace.routes.access import Agent, JobId, LeaseId, Market, Submitter
from node3nb.marketplace.store import attempts, views
from node3nb.marketplace.wire.protocol import JobStatus
from node3nb.marketplace.wire.words import (
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
    place = _Place(offset, attempt)
    state = None
    if follow is not False:
        state = await _followed(market, job_id, request, place, wait_s)
    if state is None:
        state = (await market.log_readers.look([job_id]))[job_id]
    offset = place.offset_in(state)
    content = await asyncio.to_thread(market.logs.read, job_id, state.attempt, offset)
    headers = {
        NEXT_OFFSET_HEADER: str(offset + len(content)),
        ATTEMPT_HEADER: str(state.attempt),
        LOG_OVER_HEADER: str(state.over and len(content) < MAX_READ_BYTES).lower(),
    }
    return Response(content, media_type="text/plain; charset=utf-8", headers=headers)


@dataclass(frozen=True, slots=True)
class _Place:
    """From where on somebody reads a job's log."""

    #: Bytes that have been read.
    offset: int
    #: The attempt they are of; None when that is not said.
    attempt: int | None

    def offset_in(self, state: LogState) -> int:
        """Return where the reader goes on: a later attempt is read from its beginning."""
        same = self.attempt is None or state.attempt in {0, self.attempt}
        return self.offset if same else 0

    def passed_by(self, state: LogState) -> bool:
        """Whether there is something to tell."""
        return state.over or state.bytes > self.offset_in(state)


async def _followed(
    market: Marketplace, job_id: str, request: Request, place: _Place, wait_s: float
) -> LogState | None:
    """Wait until there is something to tell, or nobody waits for it any more."""
    deadline = asyncio.get_running_loop().time() + wait_s
    with market.log_readers.follower(job_id) as follower:
        departure = asyncio.create_task(_depart(follower, request))
        try:
            return await follower.told(place.passed_by, deadline)
        finally:
            departure.cancel()


async def _depart(follower: Follower, request: Request) -> None:
    """Let the follower go when its connection closes."""
    with contextlib.suppress(Refusal):  # a body that nobody reads comes too slowly
        while (await request.receive())["type"] != "http.disconnect":
            pass
    follower.leave()
