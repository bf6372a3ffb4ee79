"""The files of all jobs: let in within quotas, and let go when nothing needs them."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from node3nb.marketplace.artifacts.arrival import Arrival
from node3nb.marketplace.artifacts.store import Permit, Store
from node3nb.marketplace.bodies import drop
from node3nb.marketplace.clock import Clock
from node3nb.marketplace.database.transactions import Transactions
from node3nb.marketplace.refusals import (
    Conflict,
    OverQuota,
    Refusal,
    StoreFull,
    TooLarge,
    Unacceptable,
    Unavailable,
)
from node3nb.marketplace.settings import DAY_S, Settings
from node3nb.marketplace.store import retention, uploads
from node3nb.marketplace.store.files import StoredFile
from node3nb.marketplace.store.storage import Quota
from node3nb.marketplace.store.uploads import Upload
from node3nb.marketplace.wire.protocol import SHA256_HEADER, UploadAsked
from node3nb.marketplace.wire.words import ArtifactKind

#: How long a file that comes through the server may be silent before it is given up, in seconds.
SILENCE_S = 3600.0
#: How long a file that goes past the server may take, in seconds.
PAST_S = 6 * 3600.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Slot:
    """What a file is sent as."""

    #: The job.
    job_id: str
    #: What it is to the job.
    kind: ArtifactKind
    #: The acceptance that sends it; 0 for the submitter.
    acceptance: int = 0


class Artifacts:
    """The files of all jobs.

    Parameters
    ----------
    store
        Where they are.
    database
        What knows of them.
    clock
        What it takes for the time.
    settings
        How much is kept, and for how long.
    """

    def __init__(
        self, store: Store, database: Transactions, clock: Clock, settings: Settings
    ) -> None:
        self._store = store
        self._database = database
        self._now = clock
        self._settings = settings
        self._quota = Quota(settings.quota_bytes, settings.quota_files)
        self._max_bytes = min(settings.max_artifact_bytes, store.max_bytes)

    @contextlib.asynccontextmanager
    async def received(
        self, slot: Slot, chunks: AsyncIterator[bytes], length: int | None, sha256: str
    ) -> AsyncIterator[StoredFile]:
        """Have the body of a request in the store, to be kept before the block ends.

        Parameters
        ----------
        slot
            What it is sent as.
        chunks
            The body.
        length
            How many bytes the sender announced; None when it did not.
        sha256
            What their SHA-256 must be, in hex; empty is unchecked.

        Raises
        ------
        TooLarge
            There are more bytes than an artifact may have.
        OverQuota, StoreFull
            There is no room for them.
        Unacceptable
            They are not the bytes that were announced.
        """
        upload = self._upload(slot, length or 0, None)
        arrival = Arrival(chunks, upload.bytes, lambda size: self._charge(upload, size))
        try:
            await self._begin(upload)
            try:
                await self._store.write(upload.name, self._bounded(arrival))
                file = StoredFile(upload.name, arrival.bytes, arrival.sha256)
                _verify(file, length, sha256)
                yield file
            except BaseException:
                await self._give_up(upload)
                raise
        except (TooLarge, OverQuota, StoreFull):
            await drop(chunks)
            raise

    async def permit(self, slot: Slot, asked: UploadAsked) -> tuple[str, Permit] | None:
        """Let a file be sent past the server; None where all files come through it.

        An earlier file of the slot that was let in so and has not been kept is given up.

        Returns
        -------
        str
            Its name, for `arrived`.
        Permit
            Where it is sent.

        Raises
        ------
        TooLarge, OverQuota
            There is no room for it.
        """
        past = self._store.past_server
        if past is None:
            return None
        sha256 = asked.sha256.lower()
        upload = self._upload(slot, asked.bytes, sha256)
        await self.remove(await self._begin(upload))
        return upload.name, await past.permit(upload.name, asked.bytes, sha256)

    async def arrived(self, slot: Slot, name: str) -> StoredFile:
        """Return a file that was sent past the server, once the store vouches for its content.

        Raises
        ------
        Conflict
            It has not arrived whole, or was given up.
        """
        found = await self._database.read(uploads.find, slot.job_id, slot.kind, name)
        past = self._store.past_server
        if past is None or found is None or found.acceptance != slot.acceptance:
            raise Conflict("upload: it was kept or given up already; ask anew where to send it.")
        file = StoredFile(name, found.bytes, found.sha256 or "")
        if not await past.has(name, file.bytes, file.sha256):
            raise Conflict("upload: it has not arrived whole; send it to the URL you were given.")
        return file

    async def answer(self, file: StoredFile) -> Response:
        """Return the answer to whoever fetches a file; its ETag changes with its content."""
        headers = {"ETag": f'"{file.sha256}"', SHA256_HEADER: file.sha256}
        return await self._store.answer(file, headers)

    async def remove(self, names: Sequence[str]) -> None:
        """Remove files that no row names any more; what this misses, `tidy` finds."""
        if not names:
            return
        try:
            await self._store.remove(names)
        except (OSError, Refusal):
            _log.exception("Files that nothing needs could not be removed; this is tried again.")

    async def tidy(self) -> None:
        """Give up what did not arrive, let go what is old, remove what nothing names.

        May be cut off anywhere, and run in several processes at once: a name without a row has
        none for ever, and rows go before their files.
        """
        while expired := await self._database.write(uploads.expire, self._now()):
            await self.remove(expired)
        more = True
        while more:
            old, more = await self._database.write(retention.let_go, self._kept_since())
            await self.remove(old)
        async for names in self._store.names():
            await self.remove(await self._database.read(uploads.unnamed, names))

    def _kept_since(self) -> dict[ArtifactKind, float]:
        return {
            ArtifactKind.INPUT: self._now() - self._settings.keep_inputs_days * DAY_S,
            ArtifactKind.OUTPUT: self._now() - self._settings.keep_outputs_days * DAY_S,
        }

    def _upload(self, slot: Slot, size: int, sha256: str | None) -> Upload:
        lasts_s = SILENCE_S if sha256 is None else PAST_S
        return Upload(
            name=uploads.new_name(),
            job_id=slot.job_id,
            kind=slot.kind,
            acceptance=slot.acceptance,
            bytes=size,
            sha256=sha256,
            expires_at=self._now() + lasts_s,
        )

    async def _begin(self, upload: Upload) -> list[str]:
        self._require_size(upload.bytes)
        self._store.require_room(upload.bytes)
        replaced: list[str] = await self._database.write(uploads.begin, upload, self._quota)
        return replaced

    def _require_size(self, size: int) -> None:
        if size > self._max_bytes:
            raise TooLarge(f"body: more than the {self._max_bytes} bytes allowed; send less.")

    async def _bounded(self, arrival: Arrival) -> AsyncIterator[bytes]:
        async for piece in arrival.pieces():
            self._require_size(arrival.bytes)
            yield piece

    async def _charge(self, upload: Upload, size: int) -> None:
        expires_at = self._now() + SILENCE_S
        await self._database.write(uploads.go_on, upload.name, size, expires_at, self._quota)

    async def _give_up(self, upload: Upload) -> None:
        """Remove a file unless it was kept: only then is its row still among the uploads."""
        try:
            if await self._database.write(uploads.discard, upload.name):
                await self.remove([upload.name])
        except Unavailable:
            _log.warning("A file was not given up: the database is away; this is done later.")


def _verify(file: StoredFile, length: int | None, sha256: str) -> None:
    if length is not None and file.bytes != length:
        raise Unacceptable(
            f"Content-Length: {length} bytes were announced, {file.bytes} came; send it again."
        )
    if sha256 and file.sha256 != sha256.lower():
        raise Unacceptable(
            f"{SHA256_HEADER}: the {file.bytes} bytes received have another SHA-256; "
            "send them again."
        )
