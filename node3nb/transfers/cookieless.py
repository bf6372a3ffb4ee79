"""HTTP as it is spoken here: what a server sets as a cookie is neither kept nor read."""

from __future__ import annotations

import contextlib
from typing import Any

import requests
from requests.adapters import HTTPAdapter

#: Bytes of a file that are sent at a time; urllib3 takes 16 KiB, each of which wakes the server.
SENT_BYTES = 1 << 18


class CookielessAdapter(HTTPAdapter):
    """Drops the cookies of an answer unread, and sends files in large pieces.

    `http.cookiejar` prints a traceback over odd cookies.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make pools whose connections send large pieces."""
        super().init_poolmanager(*args, blocksize=SENT_BYTES, **kwargs)

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """Return the answer, without its cookies."""
        with contextlib.suppress(AttributeError):  # an answer that came without headers
            del resp._original_response.msg["Set-Cookie"]  # noqa: SLF001 - where requests reads it
        return super().build_response(req, resp)
