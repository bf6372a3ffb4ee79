"""Tasks that go on only when they are told to, one at a time, and can die at any point."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from starlette.responses import Response

from node3nb.marketplace.artifacts.local import Directory
from node3nb.marketplace.artifacts.store import Permit
from node3nb.marketplace.database.database import Database
from node3nb.marketplace.refusals import Refusal
from node3nb.marketplace.store.files import StoredFile

_walker: ContextVar[Walker | None] = ContextVar("walker", default=None)


class Dead(BaseException):
    """The process that did this is gone."""


class Walker:
    """A task that stops before each thing it does outside of itself."""

    def __init__(self, work: Callable[[], Awaitable[object]]) -> None:
        self._stopped = asyncio.Event()
        self._go = asyncio.Event()
        self._dead = False
        self.task = asyncio.ensure_future(self._walk(work))

    async def _walk(self, work: Callable[[], Awaitable[object]]) -> None:
        _walker.set(self)
        try:
            with contextlib.suppress(Refusal, Dead):
                await self.stop()
                await work()
        finally:
            self._stopped.set()

    async def stop(self) -> None:
        self._stopped.set()
        await self._go.wait()
        self._go.clear()
        if self._dead:
            raise Dead

    @property
    def walks(self) -> bool:
        return not self.task.done()

    async def step(self) -> None:
        """Let it do one thing, and return when it stands before the next or has ended."""
        await self._stopped.wait()
        if self.walks:
            self._stopped.clear()
            self._go.set()
            await self._stopped.wait()
            await asyncio.sleep(0)
        if not self.walks:
            self.task.result()

    async def die(self) -> None:
        """End it where it stands; whatever it still tries fails."""
        await self._stopped.wait()
        self._dead = True
        while self.walks:
            self._go.set()
            await asyncio.sleep(0)
        self.task.result()


async def _gate() -> None:
    walker = _walker.get()
    if walker is not None:
        await walker.stop()


class StepDatabase:
    """A real database; each call is a step."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, operation: Any, /, *args: Any, **kwargs: Any) -> Any:
        await _gate()
        return await _result(self._database.write(operation, *args, **kwargs))

    async def read(self, operation: Any, /, *args: Any, **kwargs: Any) -> Any:
        await _gate()
        return await _result(self._database.read(operation, *args, **kwargs))


async def _result(future: Future[Any]) -> Any:
    return await asyncio.wrap_future(future)


class StepDirectory:
    """A real directory; each call, each piece and each part of a list is a step.

    It also takes files past the server, as a bucket does: `put` is what a client does.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._directory = Directory(root, 1 << 20)
        self.max_bytes = self._directory.max_bytes

    @property
    def past_server(self) -> StepDirectory:
        return self

    def require_room(self, more: int) -> None:
        self._directory.require_room(more)

    async def write(self, name: str, pieces: AsyncIterator[bytes]) -> None:
        await _gate()

        async def stepwise() -> AsyncIterator[bytes]:
            async for piece in pieces:
                yield piece
                await _gate()

        try:
            await self._directory.write(name, stepwise())
        except Dead:
            self._leave_half(name)
            raise

    def _leave_half(self, name: str) -> None:
        """A process that dies removes nothing of what it has written."""
        path = self._root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half")

    async def permit(self, name: str, *_bound: object) -> Permit:
        return Permit(name, {})

    def put(self, name: str, content: bytes) -> None:
        path = self._root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)

    async def has(self, name: str, length: int, sha256: str) -> bool:
        await _gate()
        path = self._root / name
        if not path.exists() or path.stat().st_size != length:
            return False
        return hashlib.sha256(path.read_bytes()).hexdigest() == sha256

    async def answer(self, file: StoredFile, headers: Mapping[str, str]) -> Response:
        return await self._directory.answer(file, headers)

    async def remove(self, names: Sequence[str]) -> None:
        for name in names:
            await _gate()
            await self._directory.remove([name])

    async def names(self) -> AsyncIterator[list[str]]:
        async for page in self._directory.names():
            await _gate()
            yield page
