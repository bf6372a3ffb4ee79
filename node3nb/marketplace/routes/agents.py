"""Calls of agents about themselves."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from node3nb.marketplace import cursors
from node3nb.marketplace.cursors import Cursor
from node3nb.marketplace.keys import Caller, Role, digest
from node3nb.marketplace.manners.rates import place
from node3nb.marketplace.pages import AgentPage
from node3nb.marketplace.problems import answers
from node3nb.marketplace.refusals import KeyMissing, NotAllowed
from node3nb.marketplace.routes.access import Agent, Anyone, Known, Market
from node3nb.marketplace.settings import Registration as Who
from node3nb.marketplace.store import callers, leases
from node3nb.marketplace.wire.protocol import Heartbeat, HeartbeatAnswer, Registered, Registration

router = APIRouter(prefix="/api")


@router.post("/agents/register", responses=answers(401, 403))
async def register(
    market: Market, registration: Registration, caller: Known, request: Request
) -> Registered:
    """Add an agent; its key is in the answer and nowhere else."""
    invitation = _invitation(market.settings.registration, caller)
    origin = callers.Origin(
        digest(market.keys.url_secret, place(request.client.host if request.client else "")),
        market.settings.agents_per_address,
        invitation,
    )
    return await market.write(callers.register, registration, origin, market.now())


def _invitation(who: Who, caller: Caller | None) -> str:
    """Return the name of the invitation that a registration uses up; empty for none."""
    if who is Who.OPEN:
        return ""
    if who is Who.CLOSED:
        raise NotAllowed("This marketplace takes no new agents; ask its host.")
    if caller is None:
        raise KeyMissing("X-API-Key: this marketplace takes agents by invitation; send yours here.")
    if caller.role not in {Role.INVITATION, Role.ADMIN}:
        raise NotAllowed(f"X-API-Key: a key of kind {caller.role} is no invitation.")
    return caller.key_id if caller.role is Role.INVITATION else ""


@router.post("/agents/heartbeat", responses=answers(401, 403))
async def heartbeat(market: Market, agent: Agent, beat: Heartbeat | None = None) -> HeartbeatAnswer:
    """Renew the leases an agent names; a base agent names none and renews all it holds."""
    now, lease_s = market.now(), market.settings.lease_s
    await market.write(callers.heard, agent.owner, beat.state if beat else "", now)
    if beat is None or "jobs" not in beat.model_fields_set:
        return await market.write(leases.renew_unnamed, agent.owner, now, lease_s)
    return await market.write(leases.renew_named, agent.owner, beat.jobs, now, lease_s)


@router.get("/marketplace/agents", responses=answers(401, 403))
async def listed(
    market: Market,
    _caller: Anyone,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Cursor = None,
) -> AgentPage:
    """List the agents, those heard last first; one that is heard meanwhile moves to the start."""
    secret = market.keys.url_secret
    after = callers.Place(*cursors.opened(secret, "agents", cursor)) if cursor else None
    shown, end = await market.read(callers.listed_agents, market.now(), limit, after)
    ended = cursors.made(secret, "agents", [end.seen_at, end.agent_id]) if end else None
    return AgentPage(agents=shown, cursor=ended)
