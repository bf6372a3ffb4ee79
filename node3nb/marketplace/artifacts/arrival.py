"""A body on its way through the server: gathered, counted, hashed, and charged as it comes."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable

#: Bytes gathered before they are written.
PIECE_BYTES = 1 << 20
#: Bytes that may come before their charge is looked at again, when none were announced.
CHARGED_BYTES = 16 << 20
#: Seconds after which a body that is still coming is charged again, so that it is not given up.
CHARGED_S = 60.0


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
        noted, due = self._charged, time.monotonic() + CHARGED_S
        async for piece in self._gathered():
            if hashing is not None:
                await hashing
            self.bytes += len(piece)
            if self.bytes >= noted + CHARGED_BYTES or time.monotonic() >= due:
                noted, due = max(noted, self.bytes), time.monotonic() + CHARGED_S
                await self._charge(noted)
            hashing = asyncio.create_task(asyncio.to_thread(self._digest.update, piece))
            yield piece
        if hashing is not None:
            await hashing
        if self.bytes > noted:
            await self._charge(self.bytes)

    async def _gathered(self) -> AsyncIterator[bytes]:
        gathered: list[bytes] = []
        size = 0
        async for chunk in self._chunks:
            gathered.append(chunk)
            size += len(chunk)
            if size >= PIECE_BYTES:
                yield b"".join(gathered)
                gathered, size = [], 0
        if size:
            yield b"".join(gathered)
