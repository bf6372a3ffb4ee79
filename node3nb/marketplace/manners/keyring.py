"""Which keys are valid now: remembered for a moment, forgotten as soon as any is revoked."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Awaitable, Callable, Collection, Iterator
from pathlib import Path
from typing import Protocol

from node3nb.marketplace import keys
from node3nb.marketplace.keys import Caller

#: How long a key that was found valid is taken for valid, in seconds: so long a revocation may
#: take to get to a server process that shares the database, but not the data directory.
KEY_S = 2.0
#: Keys remembered at once.
KEYS_KNOWN = 10_000


class Ends(Protocol):
    """A call that can be ended from outside."""

    def end(self) -> None:
        """End it: its key is not valid any more."""


class Keyring:
    """The valid keys of late, and the calls that are being made with them.

    The processes of one data directory tell each other of revocations by a file that grows by a
    byte with each; looking at its size is what it costs a call.

    Parameters
    ----------
    data_dir
        Where the file is.
    look_up
        Asks the database whom a key speaks for.
    """

    def __init__(self, data_dir: Path, look_up: Callable[[str], Awaitable[Caller | None]]) -> None:
        self._file = data_dir / "revocations"
        self._look_up = look_up
        self._known: dict[str, tuple[Caller, float]] = {}
        self._calls: dict[str, set[Ends]] = {}
        self._seen = self._heeded = self.revocations()

    def revocations(self) -> int:
        """Return how many times a key of this data directory was revoked."""
        try:
            return os.stat(self._file).st_size
        except FileNotFoundError:
            return 0

    def announce(self) -> None:
        """Tell every process of the data directory that a key was revoked."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(self._file, flags, 0o600)
        try:
            os.write(descriptor, b".")
        finally:
            os.close(descriptor)

    def remembered(self, key: str) -> Caller | None:
        """Return whom a key speaks for if that was asked a moment ago."""
        self._forget_if_revoked()
        caller, until = self._known.get(keys.sha256_of(key), (None, 0.0))
        return caller if time.monotonic() < until else None

    async def caller(self, key: str) -> Caller | None:
        """Return whom a key speaks for; None when it is not valid."""
        caller = self.remembered(key)
        if caller is not None:
            return caller
        seen = self._seen
        caller = await self._look_up(key)
        if len(self._known) >= KEYS_KNOWN:
            self._known.clear()
        if caller is not None and self.revocations() == seen:
            self._known[keys.sha256_of(key)] = (caller, time.monotonic() + KEY_S)
        return caller

    @contextlib.contextmanager
    def calling(self, key_id: str, call: Ends) -> Iterator[None]:
        """Have a call ended when its key is revoked."""
        calls = self._calls.setdefault(key_id, set())
        calls.add(call)
        try:
            yield
        finally:
            calls.discard(call)
            if not calls and self._calls.get(key_id) is calls:
                del self._calls[key_id]

    async def heed(self, revoked_lately: Callable[[], Awaitable[Collection[str]]]) -> None:
        """End the calls of keys that were revoked since this was last done."""
        count = self.revocations()
        if count == self._heeded:
            return
        for key_id in await revoked_lately():
            for call in tuple(self._calls.get(key_id, ())):
                call.end()
        self._heeded = count

    def _forget_if_revoked(self) -> None:
        count = self.revocations()
        if count != self._seen:
            self._known.clear()
            self._seen = count
