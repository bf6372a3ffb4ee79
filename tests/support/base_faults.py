"""What can go wrong with one answer of a marketplace."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one answer."""

    #: Status code sent instead of the right one; None leaves it.
    status: int | None = None
    #: Body sent instead of the right one; None leaves it.
    body: bytes | None = None
    #: Content type of that body.
    content_type: str = "application/json"
    #: Value of Retry-After; None sends none.
    retry_after: str | None = None
    #: Seconds before the answer.
    delay_s: float = 0.0
    #: All that is sent before the connection ends, HTTP or not; None sends an answer.
    raw: bytes | None = None
    #: Seconds between two bytes of that.
    drip_s: float = 0.0
    #: Whether the connection closes in the middle of the body.
    truncated: bool = False
    #: Whether the call is done before its answer goes wrong, as when a network dies.
    after_effect: bool = False

    def pieces(self) -> Iterator[bytes]:
        """Yield what is sent as it is, slowly where it drips."""
        raw = self.raw or b""
        size = 1 if self.drip_s else max(len(raw), 1)
        for begin in range(0, len(raw), size):
            yield raw[begin : begin + size]
            time.sleep(self.drip_s)


def status(code: int, retry_after: str | None = None) -> Fault:
    """Return a fault that answers a status code."""
    body = json.dumps({"detail": f"injected {code}"}).encode()
    return Fault(status=code, body=body, retry_after=retry_after)


#: A body that is no JSON.
INVALID_JSON = Fault(status=200, body=b'{"jobs": [')
#: What a proxy says in the place of an API.
HTML = Fault(status=200, body=b"<html><body>Bad gateway</body></html>", content_type="text/html")
#: Half an answer, after the call was done.
TRUNCATED = Fault(truncated=True, after_effect=True)


def slow(delay_s: float) -> Fault:
    """Return a fault that only delays the right answer."""
    return Fault(delay_s=delay_s, after_effect=True)
