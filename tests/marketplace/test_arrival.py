"""A body on its way through the server: whole, hashed, and charged no oftener than it has to be."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
from collections.abc import AsyncIterator

import pytest

from node3nb.marketplace.artifacts import arrival
from node3nb.marketplace.artifacts.arrival import CHARGED_BYTES, PIECE_BYTES, Arrival

#: A chunk as a connection brings it, and more of them than may come without a charge.
CHUNK = os.urandom(250_001)
MANY = CHARGED_BYTES // len(CHUNK) + 10


def arrived(count: int, announced: int) -> tuple[list[bytes], Arrival, list[int]]:
    """Have so many chunks come; return the pieces, and the sizes that were charged."""
    charges: list[int] = []

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(count):
            yield CHUNK

    async def charge(size: int) -> None:
        charges.append(size)

    async def gathered() -> list[bytes]:
        return [piece async for piece in body.pieces()]

    body = Arrival(chunks(), announced, charge)
    return asyncio.run(gathered()), body, charges


def test_pieces_are_large_and_are_the_body() -> None:
    pieces, body, _ = arrived(10, 10 * len(CHUNK))
    whole = b"".join(pieces)
    assert whole == CHUNK * 10
    assert (body.bytes, body.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())
    assert all(len(piece) >= PIECE_BYTES for piece in pieces[:-1])


def test_nothing_is_a_body_too() -> None:
    pieces, body, charges = arrived(0, 0)
    assert (pieces, body.bytes, charges) == ([], 0, [])


def test_what_was_announced_is_charged_once_and_for_all() -> None:
    assert arrived(MANY, MANY * len(CHUNK))[2] == []


def test_what_was_not_announced_is_charged_as_it_comes() -> None:
    _, body, charges = arrived(MANY, 0)
    assert charges[-1] == body.bytes
    steps = itertools.pairwise([0, *charges])
    assert all(later - sooner < CHARGED_BYTES + 2 * PIECE_BYTES for sooner, later in steps)


def test_what_comes_slowly_is_charged_again_so_that_it_is_not_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(arrival, "CHARGED_S", 0.0)
    announced = 10 * len(CHUNK)
    pieces, _, charges = arrived(10, announced)
    assert charges == [announced] * len(pieces)
