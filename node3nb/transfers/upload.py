"""One file sent over HTTP: to the place itself, or past a marketplace to where it keeps files.

A marketplace that keeps files elsewhere is asked first (POST), sent to there (PUT), and told
(POST); one that has no such call gets the file itself (PUT).  In both cases it has to answer
with the SHA-256 of what it keeps, if it answers with one at all; another is sent again.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from node3nb.errors import UploadError
from node3nb.transfers.guarded_http import GuardedSession, body, drain
from node3nb.transfers.permits import Permit, arrived_url, read_permit
from node3nb.transfers.retries import Retries, TransferBroken, retry_after_s
from node3nb.transfers.url_policy import Origin, UrlPolicy, UrlRefused, origin_of, shown

#: Header that carries the SHA-256 of what is sent, in hex.
SHA256_HEADER = "X-Content-SHA256"
#: Bytes of an answer that are read.
MAX_ANSWER_BYTES = 1 << 16
_RETRIED = {408, 425, 429}
#: What a server answers that does not know the question.
_NOT_OFFERED = {404, 405, 501}
_JSON = {"Content-Type": "application/json"}


class UploadRefused(UploadError):
    """The output URL does not take the outputs, now or later; give the job another one."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A file to be sent."""

    #: Its content.
    file: io.BufferedReader
    #: Its size.
    bytes: int
    #: Its SHA-256, in hex.
    sha256: str
    #: Further headers for the marketplace's own origin only.
    private_headers: Mapping[str, str] = field(default_factory=dict)


class Uploads:
    """Sends files; one object for each thread.

    Parameters
    ----------
    session
        Connections of this thread.
    policy
        Which URLs are the marketplace's own.
    """

    def __init__(self, session: GuardedSession, policy: UrlPolicy) -> None:
        self._session = session
        self._policy = policy
        self._without_permits: set[Origin] = set()

    def send(self, parcel: Parcel, url: str, retries: Retries) -> None:
        """Send a file until it is there.

        Raises
        ------
        UploadRefused
            The URL does not take it, and would not if it were sent again.
        TransferBroken
            No try succeeded.
        TransferCancelled
            Somebody cancelled it.
        """
        while True:
            try:
                self._send_once(parcel, url)
            except TransferBroken as broken:
                retries.failed(broken)
            else:
                return

    def _send_once(self, parcel: Parcel, url: str) -> None:
        permit = self._permit(parcel, url)
        if permit is not None and self._sent_past(parcel, url, permit):
            return
        public = {SHA256_HEADER: parcel.sha256}
        response = self._session.open(
            "PUT", url, public, private_headers=parcel.private_headers, data=parcel.file
        )
        self._settle(response, url, parcel)

    def _permit(self, parcel: Parcel, url: str) -> Permit | None:
        """Ask a marketplace where it wants a file; None when it has no answer to that."""
        if not self._policy.is_marketplace(url) or origin_of(url) in self._without_permits:
            return None
        asked = {"bytes": parcel.bytes, "sha256": parcel.sha256}
        response = self._post(url, json.dumps(asked).encode(), parcel)
        told = _answer(response)
        if response.status_code in _NOT_OFFERED:
            self._without_permits.add(origin_of(url))
        _raise_if_passing(response)
        return read_permit(told) if response.status_code == 200 else None

    def _sent_past(self, parcel: Parcel, url: str, permit: Permit) -> bool:
        """Send a file to where a marketplace keeps it; return False when that may not be reached.

        Then the marketplace gets it: its own files can wait for no setting of ours.
        """
        try:
            sent = self._session.open("PUT", permit.url, permit.headers, data=parcel.file)
        except UrlRefused:
            self._without_permits.add(origin_of(url))
            return False
        drain(sent)
        if not sent.ok:
            raise TransferBroken(f"where it keeps files, {sent.status_code} was answered")
        told = self._post(arrived_url(url, permit.upload), b"", parcel)
        if told.status_code == 409:
            drain(told)
            raise TransferBroken("it has not got all of it")
        self._settle(told, url, parcel)
        return True

    def _post(self, url: str, sent: bytes, parcel: Parcel) -> requests.Response:
        private, data = parcel.private_headers, io.BytesIO(sent)
        return self._session.open("POST", url, _JSON, private_headers=private, data=data)

    def _settle(self, response: requests.Response, url: str, parcel: Parcel) -> None:
        """Find out whether the file is there, whole."""
        told = _answer(response)
        _raise_if_passing(response)
        if not 200 <= response.status_code < 300:
            raise UploadRefused(
                f"output_url: {shown(url)} answered {response.status_code} and does not take the "
                "outputs; check that it accepts PUT and still gives access."
            )
        if self._policy.is_marketplace(url) and told.get("sha256", parcel.sha256) != parcel.sha256:
            raise TransferBroken("it has kept other bytes than were sent")


def _raise_if_passing(response: requests.Response) -> None:
    status = response.status_code
    if status in _RETRIED or (status >= 500 and status not in _NOT_OFFERED):
        wait_s = retry_after_s(response.headers.get("Retry-After"))
        raise TransferBroken(f"it answered {status}", wait_s)


def _answer(response: requests.Response) -> dict[str, Any]:
    """Return the object that an answer holds; an empty one when it holds none."""
    told = bytearray()
    with contextlib.closing(response):
        for chunk in body(response):
            told += chunk
            if len(told) > MAX_ANSWER_BYTES:
                return {}
    try:
        found = json.loads(told)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
