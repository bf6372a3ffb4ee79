"""What a marketplace's answers mean: objects read within bounds, refusals as errors."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from pydantic import BaseModel, ValidationError

from node3nb.errors import (
    CallNotOffered,
    LeaseLost,
    MarketplaceBadAnswer,
    MarketplaceBusy,
    MarketplaceError,
    MarketplaceRejected,
    MarketplaceUnauthorized,
    WrongState,
)
from node3nb.job_checks import printable
from node3nb.marketplace.wire.words import first_complaint

#: Largest answer read, in bytes.
MAX_ANSWER_BYTES = 8 << 20
#: Longest wait that a server's Retry-After can ask of us, in seconds.
MAX_RETRY_AFTER_S = 600.0
#: Wait after a Retry-After that is not a number of seconds.
USUAL_RETRY_AFTER_S = 30.0
#: What 400, 403, 404 and 409 mean for a call about one job: it is not ours, or not any more.
NOT_OURS: Mapping[int, type[MarketplaceError]] = {
    400: WrongState,
    403: LeaseLost,
    404: WrongState,
    409: LeaseLost,
}

_Model = TypeVar("_Model", bound=BaseModel)


def read_object(answer: requests.Response) -> dict[str, Any]:
    """Return the JSON object of an answer.

    A byte that is no UTF-8 and a number beyond all bounds stay in the field they stand in, so
    that one bad job of a list does not hide the others.

    Raises
    ------
    MarketplaceBadAnswer
        It holds none, or is too large.
    """
    body = bytearray()
    for chunk in answer.iter_content(1 << 16):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise MarketplaceBadAnswer("The marketplace's answer is too large; check its URL.")
    try:
        told = json.loads(body.decode("utf-8", "surrogateescape"), parse_int=_integer)
    except (ValueError, RecursionError):
        raise MarketplaceBadAnswer(
            "The marketplace answered something other than JSON; check its URL."
        ) from None
    if not isinstance(told, dict):
        raise MarketplaceBadAnswer
    return told


def read_as(model: type[_Model], told: Any) -> _Model:
    """Return what was told as an object.

    Raises
    ------
    MarketplaceBadAnswer
        A field of it is not as the protocol has it.
    """
    try:
        return model.model_validate(told)
    except ValidationError as error:
        complaint = first_complaint(error)
        raise MarketplaceBadAnswer(
            f"The marketplace's answer is not its protocol: {complaint}"
        ) from None


def raise_for_status(
    answer: requests.Response, theirs: Mapping[int, type[MarketplaceError]]
) -> None:
    """Turn a refusal into what it means for the caller.

    `theirs` counts only when the marketplace itself speaks, in JSON: a proxy that has lost its
    marketplace answers 404 in HTML, and no result must be dropped for that.
    """
    code = answer.status_code
    if code < 300:
        return
    in_json, said = _detail(answer)
    meant = theirs if in_json else {}
    if code in {429, 503} and code not in meant:
        raise _busy(answer)
    raise refusal(code, said, meant)


def refusal(code: int, said: str, theirs: Mapping[int, type[MarketplaceError]]) -> MarketplaceError:
    """Return what a refusal means whose sentence is inert already."""
    if code in theirs:
        return theirs[code](said or None)
    return _REFUSALS.get(code, MarketplaceError)(_told(code, said))


def unreachable(url: str, error: Exception) -> str:
    """Return in a sentence how a call did not get through."""
    host = urlsplit(url).netloc
    if isinstance(error, requests.exceptions.SSLError):
        if "CERTIFICATE_VERIFY_FAILED" not in str(error):
            return f"What answers at {host} speaks no TLS that is known here; check its URL."
        return (
            f"The certificate of the marketplace at {host} is not accepted; check its URL, or have "
            "REQUESTS_CA_BUNDLE name a file with the certificates of who has signed it."
        )
    kind = "did not answer in time" if isinstance(error, requests.Timeout) else "can't be reached"
    return f"The marketplace at {host} {kind}; check its URL and your network."


_REFUSALS: Mapping[int, type[MarketplaceError]] = {
    400: MarketplaceRejected,
    401: MarketplaceUnauthorized,
    403: MarketplaceUnauthorized,
    404: CallNotOffered,
    405: CallNotOffered,
    413: MarketplaceRejected,
    415: MarketplaceRejected,
    422: MarketplaceRejected,
    501: CallNotOffered,
}


def _told(code: int, said: str) -> str | None:
    """Return the message of a refusal; None leaves it to the kind of refusal."""
    if code in {401, 403}:
        return None
    if code in _REFUSALS:
        return said or None
    next_step = "; try again later, or tell its host" if code >= 500 else ""
    return f"The marketplace answered {code}{': ' + said.rstrip('.') if said else ''}{next_step}."


def _detail(answer: requests.Response) -> tuple[bool, str]:
    """Return whether an error's body is JSON, and its sentence, made inert and short.

    It is the `detail` of a problem (RFC 9457) or of a base marketplace; one made with FastAPI
    sends a list of faults there; a problem without a `detail` has a `title`.
    """
    try:
        told = read_object(answer)
    except (MarketplaceBadAnswer, requests.RequestException):
        return False, ""
    detail = told.get("detail") or told.get("title") or ""
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):
        detail = _fault(detail[0])
    return True, printable(detail, 300).strip("'\"") if isinstance(detail, str) else ""


def _fault(fault: Mapping[str, Any]) -> str:
    where, what = fault.get("loc"), fault.get("msg")
    names = [name for name in where if isinstance(name, str)] if isinstance(where, list) else []
    return f"{'.'.join(names)}: {what}" if isinstance(what, str) else ""


def _busy(answer: requests.Response) -> MarketplaceBusy:
    wait_s = _retry_after_s(answer.headers.get("Retry-After", "5"))
    return MarketplaceBusy(f"The marketplace is busy; it is asked again in {wait_s:g} s.", wait_s)


def _retry_after_s(asked: str) -> float:
    try:
        seconds = float(asked)
    except ValueError:
        return USUAL_RETRY_AFTER_S
    if math.isnan(seconds):
        return USUAL_RETRY_AFTER_S
    return min(max(seconds, 1.0), MAX_RETRY_AFTER_S)


def _integer(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:
        return math.inf  # Python reads no integer of more than 4300 digits
