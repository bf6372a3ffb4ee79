"""A strict reader of tar streams: regular files and directories, everything else refused.

Written from POSIX.1-2017 (pax, "ustar Interchange Format") and the GNU tar manual ("Basic Tar
Format"), as `tarfile` reads headers of any size into memory and has had endless loops on crafted
ones (CVE-2025-8194, CVE-2024-6232).
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from node3nb.errors import InputError
from node3nb.files.tree_writer import Member, refusal

_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_CHUNK_BYTES = 1 << 18
#: Bytes of one extended header, and how many may stand before one member.
_MAX_EXTENSION_BYTES = 1 << 16
_MAX_EXTENSIONS = 4
#: Bytes of padding after the end; writers round up to records of at most this.
_MAX_PADDING_BYTES = 1 << 24
_OCTAL = re.compile(rb"[0-7]*")
_RECORD = re.compile(rb"(\d{1,6}) ")
_KINDS = {
    b"1": "it is a hard link",
    b"2": "it is a symbolic link",
    b"3": "it is a device",
    b"4": "it is a device",
    b"6": "it is a FIFO",
    b"S": "it is a sparse file",
}


@dataclass(frozen=True, slots=True)
class _Header:
    """The fields of one 512-byte header that matter to us."""

    #: Path, prefix included, as bytes.
    name: bytes
    #: The type flag.
    kind: bytes
    #: Bytes of content that follow.
    size: int
    #: Permission bits.
    mode: int


def tar_members(file: IO[bytes]) -> Iterator[Member]:
    """Yield the members of a tar file, gzipped or not.

    Parameters
    ----------
    file
        The archive, open at its start.

    Raises
    ------
    InputError
        It is corrupt, cut short, or has a member that is no regular file or directory.
    """
    gzipped = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    if not gzipped:
        yield from _Tar(file).members()
        return
    with gzip.GzipFile(fileobj=file, mode="rb") as plain:
        yield from _Tar(plain).members()


class _Tar:
    def __init__(self, stream: IO[bytes] | gzip.GzipFile) -> None:
        self._stream = stream

    def members(self) -> Iterator[Member]:
        while (found := self._next()) is not None:
            header, extended = found
            yield from self._member(header, extended)
        self._check_rest()

    def _next(self) -> tuple[_Header, dict[str, bytes]] | None:
        """Return the next member's header and what extended headers say of it."""
        extended: dict[str, bytes] = {}
        for _ in range(_MAX_EXTENSIONS + 1):
            block = self._exactly(_BLOCK)
            if block == _ZEROS:
                return None
            header = _parse(block)
            if header.kind not in b"xgLK":
                return header, extended
            extended |= self._extension(header)
        raise _corrupt("it has too many extended headers")

    def _member(self, header: _Header, extended: dict[str, bytes]) -> Iterator[Member]:
        raw = extended.get("path", header.name)
        name = _text(raw)
        directory = header.kind == b"5" or (header.kind in b"\x000" and raw.endswith(b"/"))
        if not directory and header.kind not in b"\x0007":
            raise refusal(name, _KINDS.get(header.kind, "it is neither file nor directory"))
        if any(key.startswith("GNU.sparse") for key in extended):
            raise refusal(name, "it is a sparse file")
        size = _decimal(extended["size"]) if "size" in extended else header.size
        if directory and size:
            raise refusal(name, "it is a directory with content")
        chunks = self._content(size)
        yield Member(name, directory, bool(header.mode & 0o100), chunks)
        for _ in chunks:
            raise RuntimeError("a member's content was not read")

    def _content(self, size: int) -> Iterator[bytes]:
        for start in range(0, size, _CHUNK_BYTES):
            yield self._exactly(min(_CHUNK_BYTES, size - start))
        self._exactly(-size % _BLOCK)

    def _extension(self, header: _Header) -> dict[str, bytes]:
        if header.size > _MAX_EXTENSION_BYTES:
            raise _corrupt("an extended header is too long")
        data = self._exactly(header.size)
        self._exactly(-header.size % _BLOCK)
        if header.kind == b"L":
            return {"path": data.rstrip(b"\0")}
        if header.kind == b"K":
            return {}
        records = _records(data)
        if header.kind == b"g" and records.keys() & {"path", "size"}:
            raise _corrupt("a global header names a path or a size")
        return records

    def _check_rest(self) -> None:
        padding = 0
        while chunk := self._read(_CHUNK_BYTES):
            padding += len(chunk)
            if padding > _MAX_PADDING_BYTES or chunk.count(0) != len(chunk):
                raise _corrupt("something follows its end")

    def _exactly(self, size: int) -> bytes:
        data = self._read(size) if size else b""
        while len(data) < size:
            more = self._read(size - len(data))
            if not more:
                raise _corrupt("it is cut short")
            data += more
        return data

    def _read(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise _corrupt("its compressed data are damaged or cut short") from error


def _parse(block: bytes) -> _Header:
    name, prefix = _string(block[:100]), _string(block[345:500])
    if prefix and block[257:263] == b"ustar\0":
        name = prefix + b"/" + name
    summed = sum(block) - sum(block[148:156]) + 8 * ord(" ")
    if _number(block[148:156]) != summed:
        raise _corrupt("a header's checksum is wrong")
    return _Header(name, block[156:157], _number(block[124:136]), _number(block[100:108]))


def _string(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes) -> int:
    """Return a number in octal, or in GNU's base 256, where the first byte is 0x80."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if not _OCTAL.fullmatch(digits):
        raise _corrupt("a header's number is wrong")
    return int(digits or b"0", 8)


def _records(data: bytes) -> dict[str, bytes]:
    """Return the records of a pax header, each `LENGTH KEY=VALUE` and a line feed."""
    records: dict[str, bytes] = {}
    start = 0
    while start < len(data):
        length = _RECORD.match(data, start)
        end = start + int(length[1]) if length else 0
        key, equals, value = data[length.end() : end - 1].partition(b"=") if length else (b"",) * 3
        if not equals or end > len(data) or data[end - 1 : end] != b"\n":
            raise _corrupt("an extended header is malformed")
        records[key.decode("utf-8", "replace")] = value
        start = end
    return records


def _decimal(value: bytes) -> int:
    if not re.fullmatch(rb"\d{1,18}", value):
        raise _corrupt("an extended header's size is wrong")
    return int(value)


def _text(name: bytes) -> str:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        raise refusal(name.decode("utf-8", "replace"), "its name is no valid UTF-8") from None


def _corrupt(why: str) -> InputError:
    return InputError(f"input archive: {why}; pack it again and check that it arrives whole.")
