"""How the marketplace is doing."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter

from node3nb.marketplace.clock import iso
from node3nb.marketplace.routes.access import Admin, Market
from node3nb.marketplace.store import callers, views

router = APIRouter()


@router.get("/health")
async def health(market: Market) -> dict[str, str]:
    """Tell that the database answers."""
    await market.read(_ask)
    return {"status": "healthy", "timestamp": iso(market.now())}


def _ask(connection: sa.Connection) -> None:
    connection.execute(sa.select(sa.literal(1)))


@router.get("/api/status")
async def status(market: Market) -> dict[str, Any]:
    """Count jobs and agents, for everybody."""
    return {"status": "ok", **await _counts(market)}


@router.get("/api/admin/stats")
async def stats(market: Market, _admin: Admin) -> dict[str, Any]:
    """Count jobs and agents, with what is on the way."""
    return {**await _counts(market), "lease_s": market.settings.lease_s}


async def _counts(market: Market) -> dict[str, Any]:
    jobs = await market.read(views.counts)
    agents = await market.read(callers.agent_counts, market.now())
    return {"timestamp": iso(market.now()), "jobs": jobs, "agents": agents}
