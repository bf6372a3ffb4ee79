"""Archives on both ends of a job: inputs unpacked, outputs packed."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import struct
import tarfile
import threading
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from node3nb.errors import InputError
from node3nb.files.beneath import NEW_FILE
from node3nb.files.removal import empty_directory
from node3nb.files.tar_reader import tar_members
from node3nb.files.tree_writer import ArchiveLimits, Member, TreeWriter
from node3nb.files.zip_reader import zip_members
from node3nb.jobs import OutputFile

__all__ = ["ArchiveLimits", "Packed", "Source", "pack", "unpack"]

#: Directory in which the members of an output archive lie.
OUTPUT_PREFIX = "output/"

_CHUNK_BYTES = 1 << 18
#: Faster than the default by half, and the outputs are mostly numbers or images.
_LEVEL = 3
#: Deflate, no flags, no time, no name, unknown system (RFC 1952, section 2.3).
_GZIP_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"


def unpack(
    archive: Path,
    into: Path,
    limits: ArchiveLimits | None = None,
    *,
    cancelled: threading.Event | None = None,
) -> None:
    """Unpack a tar, tar.gz or zip file, told apart by content, into an empty directory.

    Raises
    ------
    InputError
        A member can't be accepted, the archive is damaged or breaks a limit; `into` is empty.
    TransferCancelled
        `cancelled` was set; `into` is empty.
    """
    bounds = limits or ArchiveLimits()
    if any(into.iterdir()):
        raise InputError("input archive: the input directory is not empty; use a new workspace.")
    try:
        _unpack(archive, into, bounds, cancelled)
    except OSError as error:
        empty_directory(into)
        raise InputError(
            f"input archive: it can't be unpacked here ({error.strerror}); "
            "check that this machine's disk is not full."
        ) from error
    except BaseException:
        empty_directory(into)
        raise


def _unpack(
    archive: Path, into: Path, limits: ArchiveLimits, cancelled: threading.Event | None
) -> None:
    size = archive.stat().st_size
    with (
        archive.open("rb", buffering=0) as file,
        TreeWriter(into, limits, size, cancelled) as tree,
    ):
        for member in _members(file, limits):
            tree.add(member)


def _members(file: io.FileIO, limits: ArchiveLimits) -> Iterator[Member]:
    start = file.read(4)
    file.seek(0)
    if start in {b"PK\x03\x04", b"PK\x05\x06"}:
        return zip_members(file, limits.members)
    return tar_members(file)


@dataclass(frozen=True, slots=True)
class Source:
    """One open file to be packed."""

    #: Path below the output directory, with forward slashes.
    path: str
    #: Descriptor to read it from, the maker's to close after the next source is asked for.
    descriptor: int
    #: What fstat said when it was accepted.
    info: os.stat_result


@dataclass(frozen=True, slots=True)
class Packed:
    """What became of a series of sources."""

    #: The files that were read whole, in the order they came.
    files: tuple[OutputFile, ...]
    #: Paths of files that could not be read as they were accepted, and why, as a clause.
    unreadable: tuple[tuple[str, str], ...]
    #: SHA-256 of the archive, in hex; empty when there is none.
    sha256: str = ""
    #: Size of the archive.
    bytes: int = 0


def pack(files: Iterable[Source], destination: Path | None) -> Packed:
    """Hash files and pack them as `output/…` into a tar.gz, reading each once.

    The same files give the same bytes with the same zlib.  The archive appears at `destination`
    whole and on disk, or not at all; a file that can't be read to its end is left out of it.

    Parameters
    ----------
    destination
        Where the archive goes; None only hashes.
    """
    with _sink(destination) as sink:
        packed, unreadable = [], []
        for source in files:
            try:
                packed.append(_pack_one(source, sink))
            except _UnreadableError as error:
                unreadable.append((source.path, str(error)))
        sink.finish()
    return Packed(tuple(packed), tuple(unreadable), sink.sha256, sink.size)


class _UnreadableError(Exception):
    """A file is not what it was when it was accepted."""


class _Sink(Protocol):
    sha256: str
    size: int

    def header(self, source: Source) -> None: ...
    def write(self, data: bytes) -> None: ...
    def mark(self) -> Any: ...
    def rewind(self, mark: Any) -> None: ...
    def finish(self) -> None: ...


class _Nothing:
    """A sink without an archive."""

    sha256 = ""
    size = 0

    def header(self, source: Source) -> None: ...
    def write(self, data: bytes) -> None: ...
    def mark(self) -> None: ...
    def rewind(self, mark: None) -> None: ...
    def finish(self) -> None: ...


class _TarGz:
    """A tar.gz that can be wound back to a mark, as if what came since had never been."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._digest = hashlib.sha256()
        self._crc = 0
        self._plain_bytes = 0
        self.sha256 = ""
        self.size = 0
        self._emit(_GZIP_HEADER)

    def header(self, source: Source) -> None:
        info = tarfile.TarInfo(OUTPUT_PREFIX + source.path)
        info.size = source.info.st_size
        info.mode = 0o755 if source.info.st_mode & 0o100 else 0o644
        self.write(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict"))

    def write(self, data: bytes) -> None:
        self._crc = zlib.crc32(data, self._crc)
        self._plain_bytes += len(data)
        self._emit(self._deflate.compress(data))

    def mark(self) -> tuple[Any, Any, int, int, int]:
        return (
            self._deflate.copy(),
            self._digest.copy(),
            self._crc,
            self._plain_bytes,
            self.size,
        )

    def rewind(self, mark: tuple[Any, Any, int, int, int]) -> None:
        self._deflate, self._digest, self._crc, self._plain_bytes, self.size = mark
        self._file.seek(self.size)
        self._file.truncate()

    def finish(self) -> None:
        self.write(bytes(2 * tarfile.BLOCKSIZE))
        self._emit(self._deflate.flush())
        self._emit(struct.pack("<LL", self._crc, self._plain_bytes & 0xFFFFFFFF))
        self.sha256 = self._digest.hexdigest()

    def _emit(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)


@contextlib.contextmanager
def _sink(destination: Path | None) -> Iterator[_Sink]:
    if destination is None:
        yield _Nothing()
        return
    part = destination.with_name(f"{destination.name}.part")
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, NEW_FILE, 0o600), "wb") as file:
            yield _TarGz(file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(destination)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _pack_one(source: Source, sink: _Sink) -> OutputFile:
    digest, size, mark = hashlib.sha256(), source.info.st_size, sink.mark()
    try:
        sink.header(source)
        for chunk in _content(source):
            digest.update(chunk)
            sink.write(chunk)
        sink.write(bytes(-size % tarfile.BLOCKSIZE))
    except _UnreadableError:
        sink.rewind(mark)
        raise
    return OutputFile(source.path, size, digest.hexdigest())


def _content(source: Source) -> Iterator[bytes]:
    """Yield exactly the bytes that were announced, and only if nobody changed them meanwhile."""
    left = source.info.st_size
    while left:
        chunk = _read(source.descriptor, min(left, _CHUNK_BYTES))
        if not chunk:
            raise _UnreadableError("it shrank while it was read")
        left -= len(chunk)
        yield chunk
    if _version(os.fstat(source.descriptor)) != _version(source.info):
        raise _UnreadableError("it changed while it was read")


def _read(descriptor: int, size: int) -> bytes:
    try:
        return os.read(descriptor, size)
    except OSError as error:
        raise _UnreadableError(f"it can't be read ({error.strerror})") from error


def _version(info: os.stat_result) -> tuple[int, int, int]:
    return info.st_size, info.st_mtime_ns, info.st_ctime_ns
