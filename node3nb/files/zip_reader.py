"""A strict reader of zip files: stored and deflated regular files, everything else refused."""

from __future__ import annotations

import contextlib
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from itertools import pairwise

from node3nb.errors import InputError
from node3nb.files.tree_writer import Member, refusal

_CHUNK_BYTES = 1 << 18
#: Bytes of the central directory for each member: 46 and name, extra field, comment.
_ENTRY_BYTES = 192
_LOCAL_HEADER_BYTES = 30
#: Encrypted, patched data, strong encryption, masked headers (APPNOTE.TXT, 4.4.4).
_REFUSED_FLAGS = 0x1 | 0x20 | 0x40 | 0x2000
_DAMAGE = (
    zipfile.BadZipFile,
    ArithmeticError,
    EOFError,
    NotImplementedError,  # what zipfile raises for a compression it does not know
    RuntimeError,
    ValueError,
    struct.error,
    zlib.error,
)


class _Bounded(io.BufferedReader):
    """A file that refuses to be read in pieces larger than a central directory may be.

    `zipfile` reads that directory whole, as long as the archive says it is.
    """

    def __init__(self, raw: io.FileIO, longest: int) -> None:
        super().__init__(raw)
        self._longest = longest

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > self._longest:
            raise InputError("input archive: it lists too many files; pack fewer.")
        return super().read(size)


def zip_members(file: io.FileIO, most: int) -> Iterator[Member]:
    """Yield the members of a zip file.

    Parameters
    ----------
    file
        The archive, unbuffered.
    most
        Most members it may have.

    Raises
    ------
    InputError
        It is corrupt, cut short, encrypted, lies about sizes, or has a member that is no regular
        file or directory.
    """
    longest = max(_CHUNK_BYTES, most * _ENTRY_BYTES)
    with _damage(), _Bounded(file, longest) as bounded, zipfile.ZipFile(bounded) as archive:
        members = archive.infolist()
        if len(members) > most:
            raise InputError(f"input archive: it has more than {most} members; pack fewer.")
        _check_layout(members, archive.start_dir)
        for info in members:
            yield _member(archive, info)


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    name, mode = info.orig_filename, info.external_attr >> 16
    if "\0" in name:
        raise refusal(name, "its name holds control characters")
    if info.flag_bits & _REFUSED_FLAGS:
        raise refusal(name, "it is encrypted")
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise refusal(name, "its compression is neither none nor deflate")
    if stat.S_IFMT(mode) not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise refusal(name, "it is a link, a device or a FIFO")
    directory = name.endswith("/")
    if directory != stat.S_ISDIR(mode) and stat.S_IFMT(mode):
        raise refusal(name, "it is file and directory at once")
    if directory and info.file_size:
        raise refusal(name, "it is a directory with content")
    return Member(name, directory, bool(mode & 0o100), _content(archive, info))


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield a member's content; the end of it checks the CRC."""
    left = info.file_size
    with _damage(), archive.open(info) as source:
        while chunk := source.read(_CHUNK_BYTES):
            left -= len(chunk)
            yield chunk
    if left:
        raise refusal(info.orig_filename, "it is shorter than the archive says")


def _check_layout(members: list[zipfile.ZipInfo], end: int) -> None:
    """Refuse members that share bytes, with which a small archive becomes a huge one."""
    starts = sorted((info.header_offset, _size(info)) for info in members)
    for (start, size), (following, _) in pairwise([*starts, (end, 0)]):
        if start < 0 or start + size > following:
            raise InputError("input archive: its members overlap; pack it again.")


def _size(info: zipfile.ZipInfo) -> int:
    return _LOCAL_HEADER_BYTES + len(info.orig_filename) + info.compress_size


@contextlib.contextmanager
def _damage() -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise InputError(
            "input archive: it is damaged or cut short; pack it again and check that it arrives "
            "whole."
        ) from error
