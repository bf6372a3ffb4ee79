"""Files of a consumer on their way to and from a marketplace, or where it keeps them."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import requests

from node3nb import config
from node3nb.errors import InputError, MarketplaceBadAnswer, MarketplaceError
from node3nb.marketplace.client.deadline import Deadline
from node3nb.transfers.guarded_http import GuardedSession, drain
from node3nb.transfers.permits import read_permit
from node3nb.transfers.retries import TransferBroken
from node3nb.transfers.transfer import Transfer
from node3nb.transfers.url_policy import UrlPolicy, UrlRefused

#: Seconds one MiB of a file may take.
MIB_S = 120.0

_BROKEN = "The input did not reach the place where the marketplace keeps files; send it again."
_OTHER = "outputs: what came has another SHA-256 than the marketplace named; fetch them again."
_TOO_MUCH = "outputs: the marketplace sends more than {} bytes; have the job leave less."


def save(
    answer: requests.Response, deadline: Deadline, path: Path, sha256: str, most_bytes: int
) -> None:
    """Write the body of an answer into a new file, as long as each MiB of it comes in time.

    Raises
    ------
    InputError
        It is more than `most_bytes`, or has another SHA-256; empty is unchecked.
    """
    digest = hashlib.sha256()
    with path.open("xb") as file:
        for chunk in answer.iter_content(1 << 20):
            deadline.extend(MIB_S)
            if file.tell() + len(chunk) > most_bytes:
                raise InputError(_TOO_MUCH.format(most_bytes))
            file.write(chunk)
            digest.update(chunk)
    if sha256 and digest.hexdigest() != sha256:
        raise InputError(_OTHER)


def send(marketplace: str, told: Mapping[str, Any], file: IO[bytes]) -> str:
    """Send an input to where a marketplace's answer says; return what it is called there.

    Raises
    ------
    MarketplaceError
        The answer is none, leads to where it may not, or the file was not taken.
    """
    permit = read_permit(told)
    if permit is None:
        raise MarketplaceBadAnswer
    try:
        with GuardedSession(_policy(marketplace), {}) as session:
            answer = session.open("PUT", permit.url, permit.headers, data=file)
            drain(answer)
    except (UrlRefused, TransferBroken) as error:
        raise MarketplaceError(f"The input was not sent: {error}") from None
    if not answer.ok:
        raise MarketplaceError(_BROKEN)
    return permit.upload


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A file that a marketplace keeps in another place."""

    #: The marketplace.
    marketplace: str
    #: Path of the call that leads there.
    path: str
    #: Headers with our key, for the marketplace only.
    key: Mapping[str, str] = field(repr=False)

    def fetch(self, into: Path, sha256: str, most_bytes: int) -> None:
        """Fetch it into a new file.

        Raises
        ------
        InputError
            It can't be had, is more than `most_bytes`, or has another SHA-256.
        """
        transfer = Transfer(_policy(self.marketplace), self.key)
        with tempfile.TemporaryDirectory(dir=into.parent) as scratch:
            try:
                found = transfer.fetch(
                    self.marketplace + self.path,
                    Path(scratch),
                    sha256=sha256,
                    cancelled=threading.Event(),
                    max_bytes=most_bytes,
                )
            except InputError as error:
                told = str(error).partition(": ")[2]
                raise InputError(f"outputs: {told}") from None
            found.rename(into)


def _policy(marketplace: str) -> UrlPolicy:
    return UrlPolicy(marketplace, stores=config.stores())
