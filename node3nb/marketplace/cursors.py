"""Cursors: where a page of a list ended, in a word that only this marketplace can make."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Query

from node3nb.marketplace.refusals import Unacceptable

#: Bytes of the seal: 96 bits can't be guessed.
SEAL_BYTES = 12
#: Longest cursor there is, in characters.
MAX_CURSOR = 512

#: A cursor as it comes with a call.
Cursor = Annotated[
    str | None,
    Query(
        max_length=MAX_CURSOR,
        pattern="^[A-Za-z0-9_-]+$",
        description="Where the page before this one ended, as its answer said.",
    ),
]


def made(secret: str, which: str, place: Sequence[Any]) -> str:
    """Return the cursor of a place in a list.

    Parameters
    ----------
    secret
        The marketplace's own.
    which
        The list, with what it was filtered by: a cursor is good for no other.
    place
        What the last entry shown is ordered by, as plain JSON.
    """
    content = json.dumps(place, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_seal(secret, which, content) + content).rstrip(b"=").decode()


def opened(secret: str, which: str, cursor: str) -> list[Any]:
    """Return the place that a cursor was made of.

    Raises
    ------
    Unacceptable
        It was made for no list like this one.
    """
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except (binascii.Error, ValueError):
        raw = b""
    seal, content = raw[:SEAL_BYTES], raw[SEAL_BYTES:]
    if not hmac.compare_digest(seal, _seal(secret, which, content)):
        raise Unacceptable("cursor: it belongs to another list; start without one.")
    return list(json.loads(content))


def _seal(secret: str, which: str, content: bytes) -> bytes:
    message = b"cursor\0" + which.encode() + b"\0" + content
    return hmac.digest(secret.encode(), message, hashlib.sha256)[:SEAL_BYTES]
