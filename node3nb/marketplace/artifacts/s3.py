"""Files in an S3-compatible bucket; whoever sends or fetches one talks to the bucket itself."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import timedelta
from urllib.parse import urlsplit

import obstore
import requests
from obstore.exceptions import BaseError
from obstore.store import S3Store
from starlette.responses import RedirectResponse, Response

from node3nb.errors import ConfigError
from node3nb.marketplace.artifacts.signing import Signer
from node3nb.marketplace.artifacts.store import PastServer, Permit
from node3nb.marketplace.refusals import StoreAway
from node3nb.marketplace.store.files import StoredFile
from node3nb.marketplace.store.uploads import new_name

#: How long a URL may be used, to its first byte.
SEND, FETCH = timedelta(minutes=15), timedelta(minutes=5)
#: Largest object of one PUT (Amazon S3 User Guide, "Uploading objects": 5 GB).
MAX_BYTES = 5 * 10**9
#: Names listed at a time: as many as S3 gives in one answer.
LISTED_AT_ONCE = 1000
#: Longest wait for a store at the start, in seconds.
START_S = 30
_NAME = re.compile(r"[0-9a-f]{2}/[0-9a-f]{38}")
_NOTHING = hashlib.sha256(b"").hexdigest()
_OTHER = hashlib.sha256(b"other").hexdigest()


class Bucket:
    """Keeps files in a bucket.

    Parameters
    ----------
    url
        `s3://BUCKET` or `s3://BUCKET/PREFIX`.  Keys, region and endpoint come from the
        environment or the profile (`AWS_PROFILE`, `AWS_ENDPOINT_URL`, ...), never from here.
    identity
        Names this marketplace: two never remove each other's files, even under one prefix.

    Raises
    ------
    ConfigError
        The bucket can't be used.
    """

    max_bytes = MAX_BYTES

    def __init__(self, url: str, identity: str) -> None:
        bucket, prefix = _split(url)
        prefix = f"{prefix}/{identity}".lstrip("/")
        self._signer = Signer(bucket, prefix)
        self._objects = S3Store(
            bucket,
            prefix=prefix,
            config=self._signer.place,
            credential_provider=self._signer.credentials,
            client_options={"allow_http": True},
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=60)},
        )
        self._vouches = self._checks_content(url)

    @property
    def past_server(self) -> PastServer | None:
        """This, if the bucket checks the SHA-256 of what it takes."""
        return self if self._vouches else None

    def _checks_content(self, url: str) -> bool:
        """Find out whether the bucket refuses bytes that have not the SHA-256 that was signed.

        One that does not gets its files through the server, which hashes them.
        """
        right, wrong = new_name(), new_name()
        try:
            if not self._takes_nothing_as(right, _NOTHING):
                raise ConfigError(f"artifacts: {url} refuses to keep files; check its keys.")
            return not self._takes_nothing_as(wrong, _OTHER)
        except (requests.RequestException, OSError, BaseError) as error:
            raise ConfigError(
                f"artifacts: {url} does not answer ({type(error).__name__}); check its endpoint."
            ) from None
        finally:
            with contextlib.suppress(OSError, BaseError):
                obstore.delete(self._objects, [right, wrong])

    def _takes_nothing_as(self, name: str, sha256: str) -> bool:
        """Send an empty file under a SHA-256, and tell whether it was taken."""
        where, headers = self._signer.put(name, 0, sha256, SEND), self._signer.headers(sha256)
        return requests.put(where, data=b"", headers=headers, timeout=START_S).ok

    def require_room(self, more: int) -> None:
        """Return: a bucket has room."""

    async def write(self, name: str, pieces: AsyncIterator[bytes]) -> None:
        """Pass on what comes, in parts; see `Store`."""
        with _away():
            await obstore.put_async(self._objects, name, pieces)

    async def permit(self, name: str, length: int, sha256: str) -> Permit:
        """Return leave to send a file past the server; its length and content are signed."""
        url = self._signer.put(name, length, sha256, SEND)
        return Permit(url, self._signer.headers(sha256))

    async def has(self, name: str, length: int, sha256: str) -> bool:
        """Whether the bucket has the file, and has checked its SHA-256 itself."""
        with _away():
            vouched = await asyncio.to_thread(self._signer.vouched, name)
        return vouched == (length, sha256)

    async def answer(self, file: StoredFile, headers: Mapping[str, str]) -> Response:
        """Send whoever fetches a file to the bucket."""
        url = self._signer.get(file.name, FETCH)
        told = {name: value for name, value in headers.items() if name != "ETag"}
        return RedirectResponse(url, 307, headers={**told, "Cache-Control": "no-store"})

    async def remove(self, names: Sequence[str]) -> None:
        """Remove files."""
        with _away():
            await obstore.delete_async(self._objects, list(names))

    async def names(self) -> AsyncIterator[list[str]]:
        """Give the names of all objects of this marketplace."""
        with _away():
            async for page in obstore.list(self._objects, chunk_size=LISTED_AT_ONCE):
                found = [each["path"] for each in page]
                yield [name for name in found if _NAME.fullmatch(name)]


def _split(url: str) -> tuple[str, str]:
    split = urlsplit(url)
    if split.scheme != "s3" or not split.netloc or split.query or "@" in split.netloc:
        raise ConfigError("artifacts: it names no bucket; write s3://BUCKET/PREFIX.")
    return split.netloc, split.path.strip("/")


@contextlib.contextmanager
def _away() -> Iterator[None]:
    """Refuse a call whose store does not work; why, holds URLs and is nobody else's."""
    try:
        yield
    except (OSError, BaseError) as error:
        raise StoreAway from error
