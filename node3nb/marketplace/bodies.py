"""Bodies of requests, read within bounds."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from typing import Any

from starlette.requests import ClientDisconnect, Request

from node3nb.marketplace.refusals import TooLarge, TooMany

#: Largest JSON body, in bytes.
MAX_JSON_BYTES = 2 << 20
#: Largest JSON body of a call without a key, in bytes: they are few, and say little.
MAX_KEYLESS_BYTES = 64 << 10
#: Bytes of bodies that are held for one key, or one address without one, in all its calls.
MOST_HELD_BYTES = 64 << 20
#: How much of a body that is too large is read and dropped before it is refused: a client that
#: still sends when the connection closes never sees the answer.
DRAIN_BYTES = 64 << 20

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


async def within(chunks: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    """Yield the chunks of a body as long as they stay within a limit of bytes.

    Raises
    ------
    TooLarge
        They did not.
    """
    total = 0
    async for chunk in chunks:
        total += len(chunk)
        if total > limit:
            await drop(chunks)
            raise TooLarge(f"body: more than the {limit} bytes allowed; send less.")
        yield chunk


async def drop(chunks: AsyncIterator[bytes]) -> None:
    """Read on, as far as it is worth it, in a body that is refused."""
    dropped = 0
    with contextlib.suppress(ClientDisconnect):
        async for chunk in chunks:
            dropped += len(chunk)
            if dropped > DRAIN_BYTES:
                return


class BoundedJson:
    """Reads the body of every call but PUT, which streams, before the call is made."""

    def __init__(self, app: App) -> None:
        self._app = app
        #: Bytes held for each caller.
        self._held: Counter[str] = Counter()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one call.

        Raises
        ------
        TooLarge
            Its body is larger than any that is meant.
        TooMany
            With those of its caller's other calls it is too much.
        """
        if scope["type"] != "http" or scope["method"] == "PUT":
            await self._app(scope, receive, send)
            return
        most = MAX_JSON_BYTES if scope["caller"] else MAX_KEYLESS_BYTES
        chunks = within(Request(scope, receive).stream(), most)
        with self._held_for(scope["who"]) as hold:
            body = bytearray()
            async for chunk in chunks:
                hold(len(chunk))
                body += chunk
            await self._app(scope, _replay(bytes(body), receive), send)

    @contextlib.contextmanager
    def _held_for(self, who: str) -> Iterator[Callable[[int], None]]:
        """Give what counts bytes that are held for somebody until the block ends."""
        held = 0

        def hold(more: int) -> None:
            nonlocal held
            held += more
            self._held[who] += more
            if self._held[who] > MOST_HELD_BYTES:
                raise TooMany("The bodies of your calls are too much at once.", retry_after_s=1)

        try:
            yield hold
        finally:
            self._held[who] -= held
            if not self._held[who]:
                del self._held[who]


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body once, and then what the connection says."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay
