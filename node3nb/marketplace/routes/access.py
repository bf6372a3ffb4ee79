"""Who is calling, and whether they may."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Header, Path, Query, Request

from node3nb.marketplace.context import Marketplace
from node3nb.marketplace.keys import Caller, Role, url_token
from node3nb.marketplace.protocol import API_KEY_HEADER, LEASE_HEADER
from node3nb.marketplace.refusals import KeyMissing, NotAllowed
from node3nb.marketplace.store import attempts
from node3nb.marketplace.store.attempts import Attempt

Key = Annotated[str | None, Header(alias=API_KEY_HEADER)]
LeaseId = Annotated[str | None, Header(alias=LEASE_HEADER, max_length=128)]
Token = Annotated[str | None, Query(max_length=128)]
JobId = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]


async def market_of(request: Request) -> Marketplace:
    """Return the marketplace that serves a request."""
    market: Marketplace = request.app.state.market
    return market


Market = Annotated[Marketplace, Depends(market_of)]


async def caller_of(market: Market, key: Key = None) -> Caller:
    """Return who calls.

    Raises
    ------
    KeyMissing
        No valid key was sent.
    """
    caller = await market.caller(key) if key else None
    if caller is None:
        raise KeyMissing
    return caller


def _only(*roles: Role) -> Callable[[Caller], Awaitable[Caller]]:
    async def allowed(caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
        if caller.role not in roles:
            raise NotAllowed(f"{API_KEY_HEADER}: a key of kind {caller.role} may not do that.")
        return caller

    return allowed


Anyone = Annotated[Caller, Depends(caller_of)]
Agent = Annotated[Caller, Depends(_only(Role.AGENT))]
Submitter = Annotated[Caller, Depends(_only(Role.CONSUMER, Role.ADMIN))]
Admin = Annotated[Caller, Depends(_only(Role.ADMIN))]


async def holder_by_token(market: Marketplace, job_id: str, token: str) -> Attempt:
    """Return the attempt that the URL of an artifact was made for, while it counts.

    Raises
    ------
    NotAllowed
        The token is wrong, or its lease has ended.
    """
    attempt = await market.read(attempts.latest, job_id)
    if attempt is not None and attempt.open:
        right = url_token(market.keys.url_secret, job_id, attempt.acceptance, attempt.agent_id)
        if hmac.compare_digest(right.encode(), token.encode("utf-8", "replace")):
            return attempt
    raise NotAllowed("token: it does not open this job's files; accept the job again.")
