"""Calls about the live log of a job: what its agent tells of it, what its submitter reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import requests

from node3nb.errors import LeaseLost, MarketplaceBadAnswer, MarketplaceError
from node3nb.marketplace.client.answers import NOT_OURS, raise_for_status, read_object
from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.marketplace.client.job_views import ANSWER_S
from node3nb.marketplace.wire.words import (
    ATTEMPT_HEADER,
    LEASE_HEADER,
    LOG_OVER_HEADER,
)

#: Bytes of a log that one call returns.
MAX_PIECE_BYTES = 1 << 20
#: Seconds within which a piece has to be taken: a log is not worth a longer wait.
APPEND_S = 15.0
#: Largest offset that is believed, in bytes.
MAX_OFFSET = 1 << 40
#: What a refused piece means; 404 is left to say that there is no such call.
_NOT_OURS: Mapping[int, type[MarketplaceError]] = {
    code: meant for code, meant in NOT_OURS.items() if code != 404
}


class WrongOffset(MarketplaceError):
    """The marketplace's copy of the log ends elsewhere; it goes on from there.

    Parameters
    ----------
    offset
        Where it ends, in bytes.
    """

    def __init__(self, offset: int) -> None:
        super().__init__()
        self.offset = offset


@dataclass(frozen=True, slots=True)
class LogPlace:
    """From where on a log is read."""

    #: Bytes that have been read.
    offset: int = 0
    #: The attempt they are of; None before it is known, and with a marketplace that does not tell.
    attempt: int | None = None


@dataclass(frozen=True, slots=True)
class LogPiece:
    """What one call tells of a log."""

    #: The next bytes.
    content: bytes
    #: Where the log goes on after them.
    place: LogPlace
    #: Whether this is all there will be; False where the marketplace does not tell.
    over: bool


def append(
    client: MarketplaceClient, job_id: str, lease_id: str | None, offset: int, piece: bytes
) -> int:
    """Add bytes to a job's log and return where it ends now.

    Raises
    ------
    WrongOffset
        It does not end at `offset`.
    LeaseLost
        The job is not ours.
    CallNotOffered
        The marketplace keeps no logs.
    MarketplaceRejected
        It takes no more of this one.
    """
    headers = {"Content-Type": "application/octet-stream"}
    if lease_id is not None:
        headers[LEASE_HEADER] = lease_id
    path, params = f"/api/jobs/{job_id}/log", {"offset": offset}
    with client.call(
        "PATCH", path, within_s=APPEND_S, headers=headers, params=params, data=piece
    ) as answer:
        if answer.status_code == 409:
            raise _elsewhere(answer)
        raise_for_status(answer, _NOT_OURS)
        end = _offset(read_object(answer).get("offset"))
    return offset + len(piece) if end is None else end


def read(client: MarketplaceClient, job_id: str, place: LogPlace, wait_s: float = 0.0) -> LogPiece:
    """Return what a job's provider has told of its log, from a place on.

    At most `MAX_PIECE_BYTES` of it: ask again for the rest.

    Parameters
    ----------
    wait_s
        Seconds the marketplace may wait for something to tell.

    Raises
    ------
    CallNotOffered
        The marketplace keeps no logs.
    """
    params: dict[str, str | int | float] = {"offset": place.offset}
    if wait_s:
        params |= {"follow": "true", "wait_s": wait_s}
    if place.attempt is not None:
        params["attempt"] = place.attempt
    path = f"/api/jobs/{job_id}/log"
    with client.call("GET", path, within_s=ANSWER_S, wait_s=wait_s, params=params) as answer:
        raise_for_status(answer, {})
        return _piece(answer, place)


def _piece(answer: requests.Response, place: LogPlace) -> LogPiece:
    content = bytearray()
    for chunk in answer.iter_content(1 << 16):
        content += chunk[: MAX_PIECE_BYTES - len(content)]
        if len(content) >= MAX_PIECE_BYTES:
            break
    attempt = _number(answer.headers.get(ATTEMPT_HEADER, ""))
    begun = 0 if place.attempt not in {None, attempt} else place.offset
    over = answer.headers.get(LOG_OVER_HEADER, "") == "true"
    return LogPiece(bytes(content), LogPlace(begun + len(content), attempt), over)


def _elsewhere(answer: requests.Response) -> MarketplaceError:
    """Return what a 409 means: another end of the log, or another holder of the job."""
    try:
        offset = _offset(read_object(answer).get("offset"))
    except MarketplaceBadAnswer as error:
        return error
    return LeaseLost() if offset is None else WrongOffset(offset)


def _offset(told: object) -> int | None:
    if isinstance(told, bool) or not isinstance(told, (int, float)) or not math.isfinite(told):
        return None
    return int(told) if 0 <= told <= MAX_OFFSET else None


def _number(told: str) -> int | None:
    return int(told) if told.isascii() and told.isdecimal() and len(told) < 10 else None
