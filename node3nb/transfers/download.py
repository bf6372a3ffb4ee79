"""One file fetched over HTTP: streamed, bounded, hashed, resumed when the connection breaks."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

from node3nb.errors import InputError
from node3nb.files.beneath import NEW_FILE
from node3nb.job_checks import printable
from node3nb.transfers.guarded_http import GuardedSession, body
from node3nb.transfers.retries import Retries, TransferBroken, retry_after_s
from node3nb.transfers.url_policy import shown

#: Bytes after which a broken try counts as progress.
_PROGRESS_BYTES = 1 << 20
_GZIPPED = (".gz", ".tgz")
_RETRIED = {408, 425, 429}
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
_ADVICE = {
    401: "check that the URL still gives access",
    403: "check that the URL still gives access",
    404: "check that the file is there",
    410: "the file is gone; give a URL that still works",
}


class PartFile:
    """What has come of a file so far: on disk, counted and hashed.

    Parameters
    ----------
    path
        Where it is written; nothing may be there yet.
    max_bytes
        Most bytes it may have.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.bytes = 0
        self._digest = hashlib.sha256()
        self._file = os.fdopen(os.open(path, NEW_FILE, 0o600), "wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        if kind is not None:
            self.path.unlink(missing_ok=True)

    @property
    def sha256(self) -> str:
        """SHA-256 of what has come, in hex."""
        return self._digest.hexdigest()

    def append(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises
        ------
        InputError
            They are more than `max_bytes` in all.
        """
        self.expect(self.bytes + len(chunk))
        self._file.write(chunk)
        self._digest.update(chunk)
        self.bytes += len(chunk)

    def expect(self, size: int) -> None:
        """Raise `InputError` when a file of `size` bytes is more than may be fetched."""
        if size > self.max_bytes:
            raise InputError(
                f"input_url: the file has {size} bytes or more and {self.max_bytes} are allowed; "
                "send less."
            )

    def restart(self) -> None:
        """Forget what has come."""
        self._file.seek(0)
        self._file.truncate()
        self._digest = hashlib.sha256()
        self.bytes = 0


@dataclass(slots=True)
class Download:
    """One file on its way here; `run` may be called once."""

    #: Connections of this thread.
    session: GuardedSession
    #: Where the file is fetched from.
    url: str
    #: Where it goes.
    part: PartFile
    #: How often it is tried.
    retries: Retries
    #: What names the version that has come in part, for If-Range; empty when nothing does.
    validator: str = ""

    def run(self) -> None:
        """Fetch the whole file.

        Raises
        ------
        InputError
            The server refuses, the file is too big, or no try succeeded.
        TransferCancelled
            Somebody cancelled it.
        """
        while True:
            before = self.part.bytes
            try:
                self._attempt()
                self.retries.check()
            except TransferBroken as broken:
                if self.part.bytes >= before + _PROGRESS_BYTES:
                    self.retries.progressed()
                self._wait(broken)
            else:
                return

    def _wait(self, broken: TransferBroken) -> None:
        try:
            self.retries.failed(broken)
        except TransferBroken as last:
            raise InputError(
                f"input_url: {shown(self.url)} could not be fetched: {last}; "
                "check that its server works, then send the job again."
            ) from last

    def _attempt(self) -> None:
        with self.session.open("GET", self.url, self._request_headers()) as response:
            total = self._accept(response)
            for chunk in body(response):
                self.retries.check()
                self.part.append(chunk)
        if total is not None and self.part.bytes != total:
            raise TransferBroken(f"it sent {self.part.bytes} bytes of the {total} it announced")

    def _request_headers(self) -> dict[str, str]:
        headers = {"Accept-Encoding": "identity"}
        if self.part.bytes and self.validator:
            headers |= {"Range": f"bytes={self.part.bytes}-", "If-Range": self.validator}
        return headers

    def _accept(self, response: requests.Response) -> int | None:
        """Make ready for the body; return the size of the whole file, None when unsaid."""
        if response.status_code == 206:
            return self._continued(response)
        self.part.restart()
        if response.status_code != 200:
            raise self._refusal(response)
        self._check_coding(response)
        self.validator = _validator(response)
        return self._expected(response.headers.get("Content-Length", ""))

    def _continued(self, response: requests.Response) -> int | None:
        answer = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        same = _validator(response) in {"", self.validator}
        if not self.validator or answer is None or not same or int(answer[1]) != self.part.bytes:
            self.part.restart()
            self.validator = ""
            raise TransferBroken("it sent another part than the one asked for")
        self._check_coding(response)
        total = answer[3] if answer[3] != "*" else str(int(answer[2]) + 1)
        return self._expected(total)

    def _expected(self, size: str) -> int | None:
        if not size.isdecimal():
            return None
        total = int(size.lstrip("0")[:19] or "0")
        self.part.expect(total)
        return total

    def _refusal(self, response: requests.Response) -> InputError | TransferBroken:
        status = response.status_code
        if status in _RETRIED or status == 416 or status >= 500:
            wait_s = retry_after_s(response.headers.get("Retry-After"))
            return TransferBroken(f"it answered {status}", wait_s)
        advice = _ADVICE.get(status, "check the URL")
        return InputError(f"input_url: {shown(self.url)} answered {status}; {advice}.")

    def _check_coding(self, response: requests.Response) -> None:
        """Refuse a compressed body, unless it only says twice that a .gz file is one."""
        coding = response.headers.get("Content-Encoding", "identity").lower()
        gzipped = self.part.path.name.removesuffix(".part").lower().endswith(_GZIPPED)
        if coding != "identity" and not gzipped:
            raise InputError(
                f"input_url: {shown(self.url)} is sent with the coding {printable(coding)} though "
                "none was asked for; serve the file as it is."
            )


def _validator(response: requests.Response) -> str:
    """Return what If-Range takes: a strong ETag, else a date (RFC 9110, section 13.1.5)."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")
