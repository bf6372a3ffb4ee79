"""Who is calling, and whether they may."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Header, Path, Query, Request, Security
from fastapi.security import APIKeyHeader

from node3nb.marketplace.context import Marketplace
from node3nb.marketplace.keys import Caller, Role, url_token
from node3nb.marketplace.refusals import KeyMissing, NotAllowed
from node3nb.marketplace.store import attempts
from node3nb.marketplace.store.attempts import Attempt
from node3nb.marketplace.wire.protocol import API_KEY_HEADER, LEASE_HEADER

#: How OpenAPI tells of keys; who a key speaks for is found out before a call gets here.
_SCHEME = APIKeyHeader(name=API_KEY_HEADER, scheme_name="key", auto_error=False)

LeaseId = Annotated[str | None, Header(alias=LEASE_HEADER, max_length=128)]
Token = Annotated[str | None, Query(max_length=128)]
JobId = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]


async def market_of(request: Request) -> Marketplace:
    """Return the marketplace that serves a request."""
    market: Marketplace = request.app.state.market
    return market


Market = Annotated[Marketplace, Depends(market_of)]


async def known(request: Request, _key: Annotated[str | None, Security(_SCHEME)]) -> Caller | None:
    """Return who calls, as the gate has found; None for nobody known."""
    caller: Caller | None = request.scope["caller"]
    return caller


Known = Annotated[Caller | None, Depends(known)]


def required(caller: Caller | None, *roles: Role) -> Caller:
    """Return who calls, if it is one who may.

    Raises
    ------
    KeyMissing
        No valid key was sent.
    NotAllowed
        It was sent by somebody else.
    """
    if caller is None:
        raise KeyMissing
    if caller.role not in roles:
        raise NotAllowed(f"{API_KEY_HEADER}: a key of kind {caller.role} may not do that.")
    return caller


def _only(*roles: Role) -> Callable[[Caller | None], Awaitable[Caller]]:
    async def allowed(caller: Known) -> Caller:
        return required(caller, *roles)

    return allowed


Anyone = Annotated[Caller, Depends(_only(Role.CONSUMER, Role.AGENT, Role.ADMIN))]
Agent = Annotated[Caller, Depends(_only(Role.AGENT))]
Submitter = Annotated[Caller, Depends(_only(Role.CONSUMER, Role.ADMIN))]
Admin = Annotated[Caller, Depends(_only(Role.ADMIN))]
Monitor = Annotated[Caller, Depends(_only(Role.MONITOR, Role.ADMIN))]


async def holder_by_token(market: Marketplace, job_id: str, token: str) -> Attempt:
    """Return the attempt that the URL of an artifact was made for, while it counts.

    Raises
    ------
    NotAllowed
        The token is wrong, its lease has ended, or its agent has no valid key any more.
    """
    attempt = await market.read(attempts.latest, job_id)
    if attempt is not None and attempt.open and await market.speaks(attempt.agent_id):
        right = url_token(market.keys.url_secret, job_id, attempt.acceptance, attempt.agent_id)
        if hmac.compare_digest(right.encode(), token.encode("utf-8", "replace")):
            return attempt
    raise NotAllowed("token: it does not open this job's files; accept the job again.")
