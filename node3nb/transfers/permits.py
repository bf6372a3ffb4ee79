"""Leave that a marketplace gives to send one file to where it keeps files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

#: Most characters of a URL, of a header and of a name that are believed.
MAX_CHARS = 8192
#: Headers that a signature of S3 binds; no others are sent for a marketplace.
_HEADER = re.compile(r"x-amz-[a-z0-9-]{1,64}")
_VALUE = re.compile(r"[\x21-\x7e]{1,1024}")
_MAX_HEADERS = 16
_UPLOAD = re.compile(r"[A-Za-z0-9/_.-]{1,128}")


@dataclass(frozen=True, slots=True)
class Permit:
    """Where a file may be sent; whoever has the URL can send that file, so it is never shown."""

    #: Where it is sent with PUT.
    url: str = field(repr=False)
    #: Headers that have to be sent with it, as they stand.
    headers: Mapping[str, str]
    #: What the marketplace calls it.
    upload: str


def read_permit(told: Mapping[str, Any]) -> Permit | None:
    """Return what a marketplace's answer permits; None when it is no such answer."""
    url, headers, upload = told.get("upload_url"), told.get("headers"), told.get("upload")
    if not isinstance(url, str) or not isinstance(headers, dict) or not isinstance(upload, str):
        return None
    if len(url) > MAX_CHARS or len(headers) > _MAX_HEADERS or not _UPLOAD.fullmatch(upload):
        return None
    if not all(_HEADER.fullmatch(name) and _plain(value) for name, value in headers.items()):
        return None
    return Permit(url, headers, upload)


def arrived_url(url: str, upload: str) -> str:
    """Return what is called when a file has been sent that the marketplace keeps at `url`."""
    split = urlsplit(url)
    query = "&".join(filter(None, (split.query, f"upload={quote(upload, safe='')}")))
    return split._replace(path=f"{split.path}/arrived", query=query).geturl()


def _plain(value: object) -> bool:
    return isinstance(value, str) and _VALUE.fullmatch(value) is not None
