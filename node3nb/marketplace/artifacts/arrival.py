"""A body on its way through the server: gathered, counted, hashed, and charged as it comes."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable

#: Bytes gathered before they are written.
PIECE_BYTES = 1 << 20
#: Bytes that may come before their charge is looked at again, when none were announced.
CHARGED_BYTES = 16 << 20


class Arrival:
    """The pieces of a body.

    Parameters
    ----------
    chunks
        The body.
    charged
        Bytes it is charged with already.
    charge
        Is called with the bytes that have come, before they are more than it is charged with and
        now and then besides, and refuses what is too much.
    """

    def __init__(
        self,
        chunks: AsyncIterator[bytes],
        charged: int,
        charge: Callable[[int], Awaitable[None]],
    ) -> None:
        self._chunks = chunks
        self._charged = charged
        self._charge = charge
        self._digest = hashlib.sha256()
        #: Bytes that have come.
        self.bytes = 0

    @property
    def sha256(self) -> str:
        """SHA-256 of the pieces given out, in hex, once all are."""
        return self._digest.hexdigest()

    async def pieces(self) -> AsyncIterator[bytes]:
        """Give the pieces; each is hashed while whoever takes it writes it."""
        hashing: asyncio.Task[None] | None = None
        noted = 0
        async for piece in self._gathered():
            if hashing is not None:
                await hashing
            self.bytes += len(piece)
            if self.bytes >= noted + CHARGED_BYTES:
                await self._charge(max(noted := self.bytes, self._charged))
            hashing = asyncio.create_task(asyncio.to_thread(self._digest.update, piece))
            yield piece
        if hashing is not None:
            await hashing
        if self.bytes > max(noted, self._charged):
            await self._charge(self.bytes)

    async def _gathered(self) -> AsyncIterator[bytes]:
        gathered = bytearray()
        async for chunk in self._chunks:
            gathered += chunk
            if len(gathered) >= PIECE_BYTES:
                yield bytes(gathered)
                gathered.clear()
        if gathered:
            yield bytes(gathered)
