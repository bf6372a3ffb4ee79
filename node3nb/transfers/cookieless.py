"""HTTP without cookies: what a server sets is neither kept nor read."""

from __future__ import annotations

import contextlib
from typing import Any

import requests
from requests.adapters import HTTPAdapter


class CookielessAdapter(HTTPAdapter):
    """Drops the cookies of an answer unread: `http.cookiejar` prints a traceback over odd ones."""

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """Return the answer, without its cookies."""
        with contextlib.suppress(AttributeError):  # an answer that came without headers
            del resp._original_response.msg["Set-Cookie"]  # noqa: SLF001 - where requests reads it
        return super().build_response(req, resp)
