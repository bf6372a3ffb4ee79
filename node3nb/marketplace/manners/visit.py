"""One call from its first byte to its last: named, paced, and ended with its key."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import MutableMapping
from typing import Any

from node3nb.marketplace.bodies import Message, Receive, Send
from node3nb.marketplace.keys import Caller
from node3nb.marketplace.manners.keyring import Keyring
from node3nb.marketplace.problems import refused
from node3nb.marketplace.refusals import KeyMissing, TooSlow
from node3nb.marketplace.wire.protocol import API_KEY_HEADER

#: Header that names a call, in the log too.
REQUEST_ID_HEADER = "X-Request-Id"
#: Seconds that a body may keep us waiting; what has come earns more, this at the most.
PATIENCE_S = 30.0
#: Bytes a second at which a body earns patience.
SLOWEST = 4096
#: Status that is noted when the caller hung up before it was answered; nothing is sent with it.
HUNG_UP = 499

#: Methods that are told apart.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_GIVEN_NAME = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_KEY = API_KEY_HEADER.lower().encode()
_DISCONNECT: Message = {"type": "http.disconnect"}


class Visit:
    """A call.

    Parameters
    ----------
    scope, receive, send
        What ASGI gives.
    keyring
        Knows which keys are valid.
    """

    def __init__(
        self, scope: MutableMapping[str, Any], receive: Receive, send: Send, keyring: Keyring
    ) -> None:
        self.scope = scope
        self._receive, self._send = receive, send
        self._keyring = keyring
        self._revocations = keyring.revocations()
        headers = dict(reversed(scope["headers"]))
        #: The key that was sent; empty for none.
        self.key = _key(scope["path"], headers)
        #: Its name, for its caller and for us.
        self.request_id = _named(headers.get(REQUEST_ID_HEADER.lower().encode(), b""))
        #: Whom the key speaks for; None until that is known, or when it is not valid.
        self.caller: Caller | None = None
        #: Status of the answer.
        self.status = HUNG_UP
        #: Whether the answer has begun.
        self.answered = False
        self._started_at = time.perf_counter()
        self._patience_s = PATIENCE_S
        self._waiting: asyncio.Timeout | None = None
        self._heard_all = self._ended = self._refused = self._unleashed = False

    @property
    def route(self) -> str:
        """The template of the path; no value of it."""
        return getattr(self.scope.get("route"), "path", "unknown")

    @property
    def method(self) -> str:
        """The method; whatever else somebody makes up is `other`."""
        method = str(self.scope["method"])
        return method if method in METHODS else "other"

    @property
    def duration_s(self) -> float:
        """How long it has taken."""
        return time.perf_counter() - self._started_at

    def end(self) -> None:
        """End the call, as if its caller had hung up: its key is not valid any more."""
        self._ended = True
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())

    def finish_anyway(self) -> None:
        """Answer the call even if its key is revoked by now: it was revoked by the call."""
        self._unleashed = True

    async def receive(self) -> Message:
        """Return what comes next of the body, and after it the end of the connection.

        Raises
        ------
        TooSlow
            It has kept us waiting for too long.
        """
        try:
            message = _DISCONNECT if self._ended else await self._next()
        except TimeoutError:
            if not self._ended:
                raise TooSlow from None
            message = _DISCONNECT
        self._heard_all = not message.get("more_body", False)
        return message

    async def _next(self) -> Message:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(None if self._heard_all else self._patience_s) as waiting:
                self._waiting = waiting
                message = await self._receive()
        finally:
            self._waiting = None
            self._patience_s -= time.perf_counter() - began
        earned_s = len(message.get("body", b"")) / SLOWEST
        self._patience_s = min(PATIENCE_S, self._patience_s + earned_s)
        return message

    async def send(self, message: Message) -> None:
        """Send the answer, or a refusal in its place when its key is not valid any more."""
        if self._refused:
            return
        if message["type"] == "http.response.start":
            if await self._revoked():
                await self.refuse()
                return
            self.answered, self.status = True, message["status"]
            name = (REQUEST_ID_HEADER.lower().encode(), self.request_id.encode())
            message["headers"] = [*message.get("headers", ()), name]
        await self._send(message)

    async def refuse(self) -> None:
        """Answer that the key is not valid, whatever else is sent."""
        self._unleashed = True
        await refused(KeyMissing())(self.scope, self.receive, self.send)
        self._refused = True

    async def _revoked(self) -> bool:
        if self.caller is None or self._unleashed:
            return False
        if not self._ended and self._keyring.revocations() == self._revocations:
            return False
        return await self._keyring.caller(self.key) is None


def _key(path: str, headers: dict[bytes, bytes]) -> str:
    """Return the key of a call; one that only reads measurements may send it as Prometheus does."""
    key = headers.get(_KEY, b"")
    if not key and path == "/metrics":
        key = headers.get(b"authorization", b"").removeprefix(b"Bearer ")
    return key.decode("latin-1").strip()


def _named(given: bytes) -> str:
    return given.decode() if _GIVEN_NAME.fullmatch(given) else secrets.token_hex(8)
