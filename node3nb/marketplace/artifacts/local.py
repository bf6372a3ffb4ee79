"""Files in a directory of this machine, or one that all server processes share."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from starlette.responses import FileResponse, Response

from node3nb.marketplace import durable
from node3nb.marketplace.disk_room import free_bytes, kept_free
from node3nb.marketplace.refusals import StoreFull, Unknown
from node3nb.marketplace.store.files import StoredFile

#: Bytes of a file sent at a time; a reader has a minute for each (`slow_heads.READ_S`).
SENT_BYTES = 1 << 18
#: Names of files, also those of the first version.
_NAME = re.compile(r"[A-Za-z0-9_.-]+/[0-9a-f]{38,64}")
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Directory:
    """Keeps files below a directory.

    Parameters
    ----------
    root
        The directory; made when it is not there.
    max_bytes
        Largest file.
    """

    past_server = None

    def __init__(self, root: Path, max_bytes: int) -> None:
        self._root = root
        self.max_bytes = max_bytes
        root.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def write(self, name: str, pieces: AsyncIterator[bytes]) -> None:
        """Keep what comes, on disk before this returns; see `Store`."""
        path = self._root / name
        try:
            file = await asyncio.to_thread(_create, path)
            with file:
                async for piece in pieces:
                    self.require_room(len(piece))
                    await asyncio.to_thread(file.write, piece)
                await asyncio.to_thread(_finish, file, path)
        except BaseException as error:
            path.unlink(missing_ok=True)
            if isinstance(error, OSError) and error.errno in _FULL:
                raise StoreFull from error
            raise

    def require_room(self, more: int) -> None:
        """Refuse what would fill the disk so far that nothing else could be noted any more."""
        if free_bytes(self._root) - more < kept_free(self._root):
            raise StoreFull

    async def answer(self, file: StoredFile, headers: Mapping[str, str]) -> Response:
        """Return the file, or the range asked of it."""
        path = self._root / file.name
        if not path.is_file():
            raise Unknown("The file is not there any more; submit the job again.")
        return _Sent(path, headers=headers, media_type="application/octet-stream")

    async def remove(self, names: Sequence[str]) -> None:
        """Remove files."""
        await asyncio.to_thread(self._remove, names)

    def _remove(self, names: Sequence[str]) -> None:
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                (self._root / name).unlink()

    async def names(self) -> AsyncIterator[list[str]]:
        """Give the names of all files, a directory at a time."""
        for directory in await asyncio.to_thread(_entries, self._root):
            below = await asyncio.to_thread(_entries, self._root / directory)
            found = (f"{directory}/{name}" for name in below)
            yield [name for name in found if _NAME.fullmatch(name)]


class _Sent(FileResponse):
    """A file that is read on another thread less often: each piece is a wait for it."""

    chunk_size = SENT_BYTES


def _entries(directory: Path) -> list[str]:
    try:
        return os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _create(path: Path) -> BinaryIO:
    if not path.parent.exists():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        durable.sync_directory(path.parent.parent)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o600), "wb", buffering=0)


def _finish(file: BinaryIO, path: Path) -> None:
    os.fsync(file.fileno())
    durable.sync_directory(path.parent)
