"""Calls of agents about jobs: find, accept, report, give back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request

from node3nb.marketplace import offers
from node3nb.marketplace.pages import Offers
from node3nb.marketplace.problems import answers
from node3nb.marketplace.routes.access import Agent, JobId, Market
from node3nb.marketplace.store import leases, outcomes, returns
from node3nb.marketplace.store.leases import Claim
from node3nb.marketplace.wire.protocol import (
    Acceptance,
    Accepted,
    AvailableQuery,
    Completion,
    Failure,
    Outcome,
    Release,
)

router = APIRouter(prefix="/api/jobs")

#: Refusals of a call about one job.
_ONES = answers(401, 403, 404, 409)


@router.post("/available", responses=answers(401, 403))
async def available(
    market: Market, agent: Agent, query: AvailableQuery, request: Request
) -> Offers:
    """Offer jobs that fit the agent; with `wait_s`, as soon as there are any."""
    return Offers(jobs=await offers.poll(market, agent.owner, query, request))


@router.post("/{job_id}/accept", response_model_exclude_none=True, responses=_ONES)
async def accept(
    market: Market,
    agent: Agent,
    job_id: JobId,
    acceptance: Acceptance,
    idempotency_key: Annotated[str | None, Header(max_length=256)] = None,
) -> Accepted:
    """Give a job to the agent; a repeated call with the same Idempotency-Key is one call."""
    claim = Claim(
        agent_id=agent.owner,
        wallet_address=acceptance.wallet_address,
        request_id=idempotency_key,
        now=market.now(),
        lease_s=market.settings.lease_s,
    )
    accepted = await market.write(leases.accept, job_id, claim)
    market.room.taken(job_id)
    return accepted


@router.post("/{job_id}/complete", response_model_exclude_none=True, responses=_ONES)
async def complete(market: Market, agent: Agent, job_id: JobId, completion: Completion) -> Outcome:
    """Take the result of a job."""
    return await market.write(outcomes.complete, job_id, agent.owner, completion, market.now())


@router.post("/{job_id}/fail", response_model_exclude_none=True, responses=_ONES)
async def fail(market: Market, agent: Agent, job_id: JobId, failure: Failure) -> Outcome:
    """Take note of a failed attempt."""
    answer, freed = await market.write(outcomes.fail, job_id, agent.owner, failure, market.now())
    market.announce(freed)
    return answer


@router.post("/{job_id}/release", response_model_exclude_none=True, responses=_ONES)
async def release(market: Market, agent: Agent, job_id: JobId, asked: Release) -> Outcome:
    """Queue a job again that its agent gives back."""
    answer, freed = await market.write(returns.release, job_id, agent.owner, asked, market.now())
    market.announce(freed)
    return answer
