"""How the marketplace is doing."""

from __future__ import annotations

from fastapi import APIRouter, Response

from node3nb.marketplace.clock import iso, iso_or_none
from node3nb.marketplace.disk_room import free_bytes
from node3nb.marketplace.manners import meters
from node3nb.marketplace.pages import AdminCounts, Health, PublicCounts
from node3nb.marketplace.problems import answers
from node3nb.marketplace.refusals import Unavailable
from node3nb.marketplace.routes.access import Admin, Market, Monitor

router = APIRouter()


@router.get("/health")
async def health(market: Market) -> Health:
    """Tell that the database answers: it is read from, and its lock for changes can be had."""
    if not await market.pulse.felt():
        raise Unavailable(retry_after_s=5)
    return Health(status="healthy", timestamp=iso(market.now()))


@router.get("/api/status")
async def status(market: Market) -> PublicCounts:
    """Count jobs and agents, for everybody, as they were a moment ago."""
    counts = await market.late_counts()
    return PublicCounts(status="ok", **counts.model_dump())


@router.get("/api/admin/stats", responses=answers(401, 403))
async def stats(market: Market, _admin: Admin) -> AdminCounts:
    """Count jobs and agents; tell how long a lease lasts, and whether the ledger is right."""
    counts = await market.counts()
    return AdminCounts(
        lease_s=market.settings.lease_s,
        ledger_discrepancies=market.auditor.discrepancies,
        ledger_checked_at=iso_or_none(market.auditor.checked_at),
        **counts.model_dump(),
    )


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"application/openmetrics-text": {}}}, **answers(401, 403)},
)
async def metrics(market: Market, _monitor: Monitor) -> Response:
    """Tell what this process measures, in OpenMetrics; `Authorization: Bearer KEY` does too."""
    counts = await market.late_counts()
    market.meters.counted(counts.jobs, counts.agents)
    market.meters.audited(market.auditor.discrepancies)
    market.meters.room(free_bytes(market.settings.data_dir))
    return Response(market.meters.text(), media_type=meters.CONTENT_TYPE)
