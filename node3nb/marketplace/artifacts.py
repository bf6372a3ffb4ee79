"""Inputs and outputs of jobs on disk, named by what they contain."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from pathlib import Path
from typing import BinaryIO
from weakref import WeakValueDictionary

from node3nb.marketplace import durable
from node3nb.marketplace.bodies import within
from node3nb.marketplace.refusals import Unacceptable
from node3nb.marketplace.store.files import StoredFile

#: Bytes gathered before they are written, off the event loop.
WRITE_BYTES = 1 << 20


class Artifacts:
    """The files below one directory; each is there whole or not at all.

    Parameters
    ----------
    root
        Where they lie; what an earlier process left half-written there is removed.
    max_bytes
        Largest file.
    """

    def __init__(self, root: Path, max_bytes: int) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._changing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._arriving = root / "arriving"
        self._arriving.mkdir(mode=0o700, parents=True, exist_ok=True)
        for part in self._arriving.iterdir():
            part.unlink()

    def path(self, job_id: str, sha256: str) -> Path:
        """Return where a file of a job lies."""
        return self._root / job_id / sha256

    @contextlib.asynccontextmanager
    async def received(
        self,
        job_id: str,
        chunks: AsyncIterator[bytes],
        length: int | None,
        sha256: str,
        named: Callable[[], Awaitable[Collection[str]]],
    ) -> AsyncIterator[StoredFile]:
        """Have the body of a request on disk; its files that nothing names at the end go.

        Input and output of a job are one file when they are equal, and two calls may send one
        job's files at once: so only one at a time adds, names and removes them.

        Parameters
        ----------
        job_id
            The job it belongs to.
        chunks
            The body.
        length
            How many bytes the sender announced; None when it did not.
        sha256
            What their SHA-256 must be, in hex; empty is unchecked.
        named
            Tells the SHA-256 of every file that the job has.

        Yields
        ------
        StoredFile
            The file, to be named before the block ends.

        Raises
        ------
        TooLarge
            There are more bytes than an artifact may have.
        Unacceptable
            They are not the bytes that were announced.
        """
        limit = 0 if length is not None and length > self._max_bytes else self._max_bytes
        part = self._arriving / f"{secrets.token_hex(16)}.part"
        try:
            file = await _write(part, within(chunks, limit))
            _verify(file, length, sha256)
            async with self._changing.setdefault(job_id, asyncio.Lock()):
                try:
                    await asyncio.to_thread(self._settle, part, job_id, file)
                    yield file
                finally:
                    await asyncio.to_thread(self._remove_but, await named(), job_id)
        finally:
            part.unlink(missing_ok=True)

    def _settle(self, part: Path, job_id: str, file: StoredFile) -> None:
        path = self.path(job_id, file.sha256)
        if not path.parent.exists():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            durable.sync_directory(self._root)
        durable.move(part, path)

    def _remove_but(self, named: Collection[str], job_id: str) -> None:
        for path in (self._root / job_id).iterdir():
            if path.name not in named:
                path.unlink(missing_ok=True)


async def _write(part: Path, chunks: AsyncIterator[bytes]) -> StoredFile:
    digest, size, gathered = hashlib.sha256(), 0, bytearray()
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        async for chunk in chunks:
            gathered += chunk
            size += len(chunk)
            if len(gathered) >= WRITE_BYTES:
                await asyncio.to_thread(_append, file, digest, bytes(gathered))
                gathered.clear()
        await asyncio.to_thread(_finish, file, digest, bytes(gathered))
    return StoredFile(size, digest.hexdigest())


def _append(file: BinaryIO, digest: hashlib._Hash, content: bytes) -> None:
    digest.update(content)
    file.write(content)


def _finish(file: BinaryIO, digest: hashlib._Hash, content: bytes) -> None:
    _append(file, digest, content)
    file.flush()
    os.fsync(file.fileno())


def _verify(file: StoredFile, length: int | None, sha256: str) -> None:
    if length is not None and file.bytes != length:
        raise Unacceptable(
            f"Content-Length: {length} bytes were announced, {file.bytes} came; send it again."
        )
    if sha256 and file.sha256 != sha256.lower():
        raise Unacceptable(
            f"X-Content-SHA256: the {file.bytes} bytes received have another SHA-256; "
            "send them again."
        )
