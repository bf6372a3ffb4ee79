"""Calls of agents about themselves."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from node3nb.marketplace.protocol import Heartbeat, HeartbeatAnswer, Registered, Registration
from node3nb.marketplace.routes.access import Agent, Anyone, Market
from node3nb.marketplace.store import callers, leases

router = APIRouter(prefix="/api")


@router.post("/agents/register")
async def register(market: Market, registration: Registration) -> Registered:
    """Add an agent; its key is in the answer and nowhere else."""
    return await market.write(callers.register, registration, market.now())


@router.post("/agents/heartbeat")
async def heartbeat(market: Market, agent: Agent, beat: Heartbeat | None = None) -> HeartbeatAnswer:
    """Renew the leases an agent names; a base agent names none and renews all it holds."""
    now, lease_s = market.now(), market.settings.lease_s
    await market.write(callers.heard, agent.owner, beat.state if beat else "", now)
    if beat is None or "jobs" not in beat.model_fields_set:
        return await market.write(leases.renew_unnamed, agent.owner, now, lease_s)
    return await market.write(leases.renew_named, agent.owner, beat.jobs, now, lease_s)


@router.get("/marketplace/agents")
async def listed(
    market: Market, _caller: Anyone, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> dict[str, Any]:
    """List the agents heard last."""
    return {"agents": await market.read(callers.listed_agents, market.now(), limit)}
