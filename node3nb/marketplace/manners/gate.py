"""The way in and out of the server: every call passes here, and leaves a note."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from starlette.requests import ClientDisconnect

from node3nb.marketplace.bodies import App, Receive, Send
from node3nb.marketplace.context import Marketplace
from node3nb.marketplace.manners import notes
from node3nb.marketplace.manners.rates import place
from node3nb.marketplace.manners.turnstile import Turnstile
from node3nb.marketplace.manners.visit import Visit
from node3nb.marketplace.problems import problem, refused
from node3nb.marketplace.refusals import HeadTooLarge, QueryTooLong, Refusal, TwoLengths

#: Longest query of a URL, and largest headers of a call altogether, in bytes.
MAX_QUERY_BYTES, MAX_HEADER_BYTES = 4 << 10, 16 << 10
#: Headers that say where a body ends; a proxy may believe the one and we the other, and what comes
#: behind would be somebody else's call (RFC 9112, section 11.2).
_LENGTHS = {b"content-length", b"transfer-encoding"}


class Gate:
    """Names, bounds, measures and notes every call.

    Parameters
    ----------
    app
        What answers the calls.
    market
        The marketplace it is.
    """

    def __init__(self, app: App, market: Marketplace) -> None:
        self._app = app
        self._market = market
        self._turnstile = Turnstile(market.settings, market.keyring)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = Visit(scope, receive, send, self._market.keyring)
        scope["visit"] = visit
        meters = self._market.meters
        try:
            with meters.running():
                await self._answered(visit)
        finally:
            meters.answered(visit.method, visit.route, visit.status, visit.duration_s)
            notes.call(visit)

    async def _answered(self, visit: Visit) -> None:
        try:
            await self._let_in(visit)
        except ClientDisconnect:
            return
        except Refusal as error:
            await _refuse(visit, error)
        except Exception as error:  # noqa: BLE001 - the server outlives any failure of a call
            notes.failure(visit, error)
            await _fail(visit)

    async def _let_in(self, visit: Visit) -> None:
        _check_head(visit.scope)
        host = (visit.scope.get("client") or ("",))[0]
        caller = await self._turnstile.caller(visit.key, host)
        visit.caller = visit.scope["caller"] = caller
        who = visit.scope["who"] = caller.key_id if caller else place(host)
        with self._turnstile.inside(who):
            if caller is None:
                await self._app(visit.scope, visit.receive, visit.send)
                return
            with self._market.keyring.calling(caller.key_id, visit):
                await self._app(visit.scope, visit.receive, visit.send)


def _check_head(scope: MutableMapping[str, Any]) -> None:
    if len(scope["query_string"]) > MAX_QUERY_BYTES:
        raise QueryTooLong
    if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEADER_BYTES:
        raise HeadTooLarge
    if {name for name, _ in scope["headers"]} >= _LENGTHS:
        raise TwoLengths


async def _refuse(visit: Visit, error: Refusal) -> None:
    if not visit.answered:
        await refused(error)(visit.scope, visit.receive, visit.send)


async def _fail(visit: Visit) -> None:
    if not visit.answered:
        told = f"The marketplace failed; tell its host that it was call {visit.request_id}."
        await problem(500, told)(visit.scope, visit.receive, visit.send)
