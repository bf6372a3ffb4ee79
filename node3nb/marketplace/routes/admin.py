"""Calls of administrators about keys; a key is in the answer that makes it, and only there."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from node3nb.marketplace import cursors
from node3nb.marketplace.cursors import Cursor
from node3nb.marketplace.keys import Role
from node3nb.marketplace.manners.visit import Visit
from node3nb.marketplace.pages import KeyAsked, KeyPage, KeyView, NewKey
from node3nb.marketplace.problems import answers
from node3nb.marketplace.routes.access import Admin, Market
from node3nb.marketplace.store import key_ring

router = APIRouter(prefix="/api/admin/keys")

KeyId = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]


@router.post("", responses=answers(401, 403))
async def make(market: Market, _admin: Admin, asked: KeyAsked) -> NewKey:
    """Make a key for a consumer, an administrator or a monitor, or an invitation for agents."""
    return await market.write(key_ring.add, asked, market.now())


@router.get("", responses=answers(401, 403))
async def listed(
    market: Market,
    _admin: Admin,
    role: Role | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Cursor = None,
) -> KeyPage:
    """List keys, youngest first, revoked ones too; no key can be had from the list."""
    which, secret = f"keys {role}", market.keys.url_secret
    after = key_ring.Place(*cursors.opened(secret, which, cursor)) if cursor else None
    shown, end = await market.read(key_ring.listed, role, limit, after)
    ended = cursors.made(secret, which, [end.created_at, end.key_id]) if end else None
    return KeyPage(keys=shown, cursor=ended)


@router.post("/{key_id}/revoke", responses=answers(401, 403, 404, 409))
async def revoke(market: Market, _admin: Admin, key_id: KeyId, request: Request) -> KeyView:
    """Make a key invalid at once: calls made with it end, what its agent holds is queued again."""
    revoked = await market.write(key_ring.revoke, key_id, market.now())
    await _told(market, request)
    return revoked


@router.post("/{key_id}/rotate", responses=answers(401, 403, 404, 409))
async def rotate(market: Market, _admin: Admin, key_id: KeyId, request: Request) -> NewKey:
    """Make a key that takes the place of another, which is invalid at once."""
    fresh = await market.write(key_ring.rotate, key_id, market.now())
    await _told(market, request)
    return fresh


async def _told(market: Market, request: Request) -> None:
    """Have the revocation known everywhere; its own call is answered, be it that key's last."""
    visit: Visit = request.scope["visit"]
    visit.finish_anyway()
    await market.revoked()
