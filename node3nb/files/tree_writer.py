"""A tree of files written from what a stranger's archive says, and nothing outside it."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from node3nb.errors import InputError, TransferCancelled
from node3nb.files.beneath import DIRECTORY, NEW_FILE, open_beneath, unsafe_name
from node3nb.job_checks import printable
from node3nb.jobs import GIB, MIB


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """What an archive may become when it is unpacked."""

    #: Bytes of all files together.
    bytes: int = 16 * GIB
    #: Files and directories, those only implied by a longer name included.
    members: int = 100_000
    #: Bytes of all members' names together: they are remembered, and told twice otherwise.
    name_bytes: int = 16 * MIB
    #: Names on the way from the top to a file, its own included.
    depth: int = 32
    #: Bytes unpacked for each byte of the archive; deflate reaches 1032.
    ratio: float = 200.0
    #: Bytes below which the ratio is not looked at.
    ratio_from_bytes: int = 64 * MIB


@dataclass(frozen=True, slots=True)
class Member:
    """One file or directory as an archive tells it; nothing here is checked yet."""

    #: Its path in the archive.
    name: str
    #: Whether it is a directory; else it is a regular file.
    directory: bool
    #: Whether its owner may execute it.
    executable: bool
    #: Its content, to be read before the next member is asked for.
    chunks: Iterator[bytes]


def refusal(name: str, why: str) -> InputError:
    """Return the error for a member that can't be accepted; `why` is a clause."""
    return InputError(
        f"input archive: {printable(name)} is refused, {why}; "
        "pack plain files and directories by relative names."
    )


class TreeWriter:
    """Writes members below a directory, every step by descriptor, within limits.

    Files get mode 0644 or 0755 and this process's owner, whatever the archive says.

    Parameters
    ----------
    into
        An existing directory.
    limits
        What may be written.
    archive_bytes
        Size of the archive, for the ratio.
    cancelled
        Ends the writing when it is set.
    """

    def __init__(
        self,
        into: Path,
        limits: ArchiveLimits,
        archive_bytes: int,
        cancelled: threading.Event | None = None,
    ) -> None:
        self._limits = limits
        self._cancelled = cancelled
        self._most_bytes = self._byte_limit(archive_bytes)
        self._bytes = 0
        self._made = 0
        self._name_bytes = 0
        self._seen: set[tuple[str, ...]] = set()
        self._root = os.open(into, DIRECTORY)
        self._open_parts: tuple[str, ...] = ()
        self._open = os.dup(self._root)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._open)
        os.close(self._root)

    def add(self, member: Member) -> None:
        """Write one member.

        Raises
        ------
        InputError
            Its name, its kind or its size can't be accepted.
        TransferCancelled
            Somebody cancelled the unpacking.
        """
        self._check_cancelled()
        parts = self._parts(member.name)
        if not parts and member.directory:
            self._count()
            return
        self._account_name(member.name)
        if not parts or parts in self._seen:
            raise refusal(member.name, "it is named twice or not at all")
        self._seen.add(parts)
        with _clashes(member.name):
            self._enter(parts if member.directory else parts[:-1])
            if not member.directory:
                self._write(parts[-1], member)

    def _byte_limit(self, archive_bytes: int) -> int:
        grown = int(archive_bytes * self._limits.ratio)
        return min(self._limits.bytes, max(self._limits.ratio_from_bytes, grown))

    def _parts(self, name: str) -> tuple[str, ...]:
        if name.startswith("/"):
            raise refusal(name, "its name is absolute")
        parts = tuple(part for part in name.split("/") if part not in {"", "."})
        if len(parts) > self._limits.depth:
            raise refusal(name, f"it is more than {self._limits.depth} directories deep")
        for part in parts:
            if why := unsafe_name(part):
                raise refusal(name, why)
        return parts

    def _enter(self, parts: tuple[str, ...]) -> None:
        """Make `parts` the open directory; members mostly come directory by directory."""
        if parts == self._open_parts:
            return
        os.close(self._open)
        self._open, self._open_parts = os.dup(self._root), ()
        for part in parts:
            self._step(part)

    def _step(self, part: str) -> None:
        try:
            os.mkdir(part, 0o700, dir_fd=self._open)
            made = True
        except FileExistsError:
            made = False
        below = open_beneath(self._open, part, DIRECTORY)
        os.close(self._open)
        self._open, self._open_parts = below, (*self._open_parts, part)
        if made:
            os.fchmod(below, 0o755)
            self._count()

    def _count(self) -> None:
        self._made += 1
        if self._made > self._limits.members:
            raise InputError(
                f"input archive: it has more than the {self._limits.members} files and "
                "directories allowed; pack fewer."
            )

    def _write(self, name: str, member: Member) -> None:
        self._count()
        descriptor = os.open(name, NEW_FILE, 0o600, dir_fd=self._open)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            for chunk in member.chunks:
                self._account(len(chunk))
                _write_all(file.fileno(), chunk)
            os.fchmod(descriptor, 0o755 if member.executable else 0o644)

    def _account_name(self, name: str) -> None:
        self._name_bytes += len(name.encode())
        if self._name_bytes > self._limits.name_bytes:
            raise InputError(
                f"input archive: its names have more than the {self._limits.name_bytes} bytes "
                "allowed together; use shorter ones."
            )

    def _check_cancelled(self) -> None:
        if self._cancelled is not None and self._cancelled.is_set():
            raise TransferCancelled

    def _account(self, size: int) -> None:
        self._check_cancelled()
        self._bytes += size
        if self._bytes > self._most_bytes:
            raise InputError(
                f"input archive: it unpacks to more than the {self._most_bytes} bytes allowed for "
                "it; pack less, or pack it less tightly."
            )


def _write_all(descriptor: int, chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        left = left[os.write(descriptor, left) :]


@contextlib.contextmanager
def _clashes(name: str) -> Iterator[None]:
    """Tell a name that is taken, by another member or by the file system's own folding."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.EEXIST, errno.ENOTDIR, errno.ELOOP}:
            raise refusal(name, "another member has its name or a part of it") from error
        raise
