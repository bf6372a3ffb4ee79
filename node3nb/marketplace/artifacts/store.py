"""What a place for files has to offer: a directory and a bucket do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from starlette.responses import Response

from node3nb.marketplace.store.files import StoredFile


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to send one file, of known length and content, past the server."""

    #: Where it is sent with PUT; whoever has it can send that file, so it is never logged.
    url: str = field(repr=False)
    #: Headers that have to be sent with it, as they stand.
    headers: Mapping[str, str]


class PastServer(Protocol):
    """A place that takes files past the server, and vouches for their content."""

    async def permit(self, name: str, length: int, sha256: str) -> Permit:
        """Return leave to send a file there that has this length and this SHA-256, in hex."""

    async def has(self, name: str, length: int, sha256: str) -> bool:
        """Whether the file is there, its length and SHA-256 checked by the place itself."""


class Store(Protocol):
    """Where files are.  Names are relative paths; a file is there whole or not at all."""

    @property
    def past_server(self) -> PastServer | None:
        """How files are sent past the server; None when all come through it."""

    @property
    def max_bytes(self) -> int:
        """Largest file that it takes, in bytes."""

    def require_room(self, more: int) -> None:
        """Raise `StoreFull` when there is no room for so many bytes more."""

    async def write(self, name: str, pieces: AsyncIterator[bytes]) -> None:
        """Keep what comes; nothing is left of it when this fails.

        Raises
        ------
        StoreFull, StoreAway
            There is no room, or the store does not answer.
        """

    async def answer(self, file: StoredFile, headers: Mapping[str, str]) -> Response:
        """Return the answer to whoever fetches a file."""

    async def remove(self, names: Sequence[str]) -> None:
        """Remove files; those that are not there are no error."""

    def names(self) -> AsyncIterator[list[str]]:
        """Give the names of all files that are there, also in part, some at a time."""
