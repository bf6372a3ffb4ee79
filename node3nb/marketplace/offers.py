"""Jobs as they are offered to an agent: with the URLs by which it fetches and sends files."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from node3nb.marketplace.context import Marketplace
from node3nb.marketplace.keys import url_token
from node3nb.marketplace.resources import Resources, offered_by
from node3nb.marketplace.store import queue
from node3nb.marketplace.store.queue import Freed, Queued, Waiting
from node3nb.marketplace.waiting import Waiter
from node3nb.marketplace.wire.protocol import AvailableQuery

#: Most jobs in one answer.
MOST = 20
#: Jobs looked at beyond those, for what other polls are offered in the same moment.
MARGIN = 8
#: Characters of all jobs in one answer together: agents read no more than 8 MiB.
OFFERED_SIZE = 4 << 20
#: Fields of a submission that only the marketplace reads.
_OURS = ("awaits_input", "input_name")


async def poll(
    market: Marketplace,
    agent_id: str,
    query: AvailableQuery,
    request: Request,
    *,
    ahead: bool = False,
) -> list[dict[str, Any]]:
    """Return jobs that an agent may accept, as soon as there are any within its wait.

    One that asks ahead does not wait: it takes all it is offered, when its jobs have ended.
    """
    most = MOST if query.free_slots is None else min(query.free_slots, MOST)
    search = _Search(
        has=offered_by(query),
        most=most,
        takes=most if ahead else query.max_concurrent_jobs,
        patient=ahead or query.wait_s > 0,
    )
    if not search.most or not search.takes:
        return []
    found = await _found(market, search)
    if not found and search.patient and not ahead:
        found = await _awaited(market, search, query.wait_s, request)
    base_url = str(request.base_url).rstrip("/")
    return [_on_the_wire(job, agent_id, market.keys.url_secret, base_url) for job in found]


@dataclass(frozen=True, slots=True)
class _Search:
    """What an agent's poll asks of the queue."""

    #: What the agent has.
    has: Resources
    #: Jobs in the answer at most; a base agent sees more than it takes, and chooses.
    most: int
    #: Jobs the agent takes at most; so many are held back from others.
    takes: int
    #: Whether it would rather wait than be offered what others were just offered.
    patient: bool


async def _found(market: Marketplace, search: _Search) -> list[Queued]:
    """Return the jobs to offer: those just offered to others come last, or not at all."""
    room = market.room
    queued = await market.queued(search.has, search.most + len(room.held_back) + MARGIN)
    fresh = [job for job in queued if job.job_id not in room.held_back]
    late = [] if search.patient else [job for job in queued if job.job_id in room.held_back]
    chosen = _of_one_answer((fresh + late)[: search.most])
    if not chosen:
        return []
    for job in chosen[: search.takes]:
        room.hold_back(Freed(job.job_id, job.needs))
    return await market.read(queue.offered, [job.job_id for job in chosen])


def _of_one_answer(jobs: list[Waiting]) -> list[Waiting]:
    """Return as many as an agent reads in one answer, at least the first: a job may be large."""
    totals = itertools.accumulate(job.size for job in jobs)
    fit = sum(total <= OFFERED_SIZE for total in totals)
    return jobs[: max(1, fit)]


async def _awaited(
    market: Marketplace, search: _Search, wait_s: float, request: Request
) -> list[Queued]:
    deadline = asyncio.get_running_loop().time() + wait_s
    with market.room.waiter(search.has) as waiter:
        departure = asyncio.create_task(_depart(waiter, request))
        try:
            market.room.sit(waiter)
            while not (found := await _found(market, search)):
                if not await waiter.woken(deadline):
                    break
                market.room.sit(waiter)
        finally:
            departure.cancel()
        return found


async def _depart(waiter: Waiter, request: Request) -> None:
    """Let the waiter go when its connection closes; the body has been read already."""
    await request.receive()
    waiter.leave()


def _on_the_wire(job: Queued, agent_id: str, url_secret: str, base_url: str) -> dict[str, Any]:
    wire = {name: value for name, value in job.spec.items() if name not in _OURS}
    token = url_token(url_secret, job.job_id, job.acceptances + 1, agent_id)
    if job.input_sha256 is not None:
        name = job.spec["input_name"]
        wire["input_data_url"] = f"{base_url}/api/jobs/{job.job_id}/input/{name}?token={token}"
        wire["input_sha256"] = job.input_sha256
    if not job.spec["output_upload_url"]:
        wire["output_upload_url"] = f"{base_url}/api/jobs/{job.job_id}/output?token={token}"
    return {"job_id": job.job_id, **wire}
