"""One call for many jobs: what agents whose jobs are short would else spend their time on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from fastapi import APIRouter, Request
from pydantic import BaseModel

from node3nb.marketplace import offers
from node3nb.marketplace.problems import answers
from node3nb.marketplace.refusals import Refusal
from node3nb.marketplace.routes import work
from node3nb.marketplace.routes.access import Agent, Market
from node3nb.marketplace.wire.protocol import Acceptance
from node3nb.marketplace.wire.turn_wire import Told, Turn, Turned

router = APIRouter(prefix="/api/jobs")


@router.post("/turn", response_model_exclude_defaults=True, responses=answers(401, 403))
async def turn(market: Market, agent: Agent, asked: Turn, request: Request) -> Turned:
    """Take results, give jobs and offer others, each as by a call of its own."""
    acceptance = Acceptance(wallet_address=asked.wallet_address)
    completed, failed, accepted = await asyncio.gather(
        _all({job: work.complete(market, agent, job, it) for job, it in asked.completed.items()}),
        _all({job: work.fail(market, agent, job, it) for job, it in asked.failed.items()}),
        _all(
            {
                job: work.accept(market, agent, job, acceptance, it)
                for job, it in asked.accepted.items()
            }
        ),
    )
    found = []
    if asked.query is not None:
        found = await offers.poll(market, agent.owner, asked.query, request, ahead=True)
    return Turned(jobs=found, completed=completed, failed=failed, accepted=accepted)


async def _all(calls: dict[str, Awaitable[BaseModel]]) -> dict[str, Told]:
    """Make all calls at once, so that one transaction may take them in."""
    told = await asyncio.gather(*map(_told, calls.values()))
    return dict(zip(calls, told, strict=True))


async def _told(call: Awaitable[BaseModel]) -> Told:
    try:
        answer = await call
    except Refusal as refusal:
        return Told(code=refusal.status, detail=str(refusal))
    return Told(code=200, answer=answer.model_dump(mode="json", exclude_none=True))
