"""Archives made to break out, to exhaust or to confuse."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest
from support.archive_making import member, tar, unpacked, zipped

from node3nb.errors import InputError, TransferCancelled
from node3nb.files.archives import ArchiveLimits, unpack
from node3nb.files.tar_reader import tar_members

HOSTILE_NAMES = [
    *("../a", "a/../../b", "/abs", "//abs", "..", "a/..", "a\nb", "a\x1b[2J", "a\\b", "C:\\x"),
    *("C:x", "a/" * 40 + "a", "x" * 256, "\u202egpj.exe", "a\u2028b", "a\x7f"),
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_hostile_names_are_refused(tmp_path: Path, name: str, kind: str) -> None:
    good, evil = ("good", b"g"), (name, b"e")
    content = tar(member(*good), member(*evil)) if kind == "tar" else zipped(good, evil)
    with pytest.raises(InputError) as caught:
        unpacked(content, tmp_path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "fields",
    [
        {"type": tarfile.SYMTYPE, "linkname": "/etc"},
        {"type": tarfile.LNKTYPE, "linkname": "good"},
        {"type": tarfile.CHRTYPE},
        {"type": tarfile.BLKTYPE},
        {"type": tarfile.FIFOTYPE},
        {"type": tarfile.GNUTYPE_SPARSE},
        {"type": b"V"},
        {"type": b"D"},
    ],
)
def test_special_members_are_refused(tmp_path: Path, fields: dict[str, object]) -> None:
    with pytest.raises(InputError, match="evil"):
        unpacked(tar(member("good"), member("evil", **fields)), tmp_path)


def test_special_zip_members_are_refused(tmp_path: Path) -> None:
    for kind in (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK):
        info = zipfile.ZipInfo("evil")
        info.external_attr = (kind | 0o777) << 16
        with pytest.raises(InputError, match="evil"):
            unpacked(zipped((info, b"/etc/passwd")), tmp_path)


def test_a_link_then_a_file_through_it(tmp_path: Path) -> None:
    """The classic way out: a link to a directory, then a member below it."""
    link = member("d", type=tarfile.SYMTYPE, linkname=str(tmp_path))
    with pytest.raises(InputError):
        unpacked(tar(link, member("d/evil", b"e")), tmp_path)
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("names", [("a", "a"), ("a", "./a"), ("a", "a/b"), ("a/b", "a")])
def test_clashing_names_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    with pytest.raises(InputError):
        unpacked(tar(*map(member, names)), tmp_path)


def test_names_that_are_no_utf8_are_refused(tmp_path: Path) -> None:
    content = tar(member("name"), mode="w", form="gnu")
    broken = bytearray(content)
    broken[:4] = b"n\xffme"
    broken[148:156] = b"        "
    broken[148:156] = b"%06o\0 " % sum(broken[:512])
    with pytest.raises(InputError, match="UTF-8"):
        unpacked(bytes(broken), tmp_path)


def test_pax_sparse_files_are_refused(tmp_path: Path) -> None:
    fields = {"pax_headers": {"GNU.sparse.major": "1", "GNU.sparse.name": "x"}}
    with pytest.raises(InputError, match="sparse"):
        unpacked(tar(member("evil", b"x", **fields)), tmp_path)


def header(name: bytes, kind: bytes, size: bytes) -> bytes:
    block = bytearray(512)
    block[: len(name)] = name
    block[124 : 124 + len(size)] = size
    block[156:157] = kind
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


EMPTY = header(b"a", b"0", b"00000000000") + bytes(1024)


@pytest.mark.parametrize(
    "crafted",
    [
        header(b"a", b"0", b"\xff" * 12) + bytes(1024),
        header(b"a", b"0", b"-0000000010") + bytes(1024),
        header(b"a", b"0", b"\x80" + b"\xff" * 11) + bytes(1024),
        header(b"a", b"x", b"77777777777") + bytes(1024),
        header(b"a", b"L", b"77777777777") + bytes(1024),
        (header(b"a", b"x", b"00000000000")) * 2000 + bytes(1024),
        header(b"a", b"x", b"00000000014") + b"99 path=evil".ljust(512, b"\0") + bytes(1024),
        header(b"a", b"x", b"00000000014") + b"12 size=-10\n".ljust(512, b"\0") + EMPTY,
        header(b"a", b"x", b"00000000014") + b"0 path=evil\n".ljust(512, b"\0") + bytes(1024),
        header(b"a", b"g", b"00000000014") + b"12 path=evi\n".ljust(512, b"\0") + bytes(1024),
        header(b"d/", b"5", b"00000000001") + bytes(1024),
        header(b"", b"0", b"00000000000") + bytes(1024),
        b"\0" * 100 + b"x" * 412,
        b"not an archive",
        b"",
        b"PK\x03\x04 not an archive",
    ],
)
def test_crafted_headers_are_refused(tmp_path: Path, crafted: bytes) -> None:
    for content in (crafted, gzip.compress(crafted)):
        with pytest.raises(InputError):
            unpacked(content, tmp_path)


def test_headers_are_never_read_whole() -> None:
    """A header that announces 8 GiB is refused before its content is read."""
    file = io.BytesIO(header(b"a", b"x", b"77777777777") + bytes(1 << 20))
    with pytest.raises(InputError, match="too long"):
        list(tar_members(file))
    assert file.tell() == 512


def test_encrypted_zips_are_refused(tmp_path: Path) -> None:
    content = bytearray(zipped(("evil", b"e")))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(InputError, match="encrypted"):
        unpacked(bytes(content), tmp_path)


@pytest.mark.parametrize("size", [0, 5, 50_000, 1 << 31])
def test_zips_that_lie_about_sizes_are_refused(tmp_path: Path, size: int) -> None:
    content = bytearray(zipped(("evil", b"e" * 10_000)))
    central = content.index(b"PK\x01\x02")
    content[central + 24 : central + 28] = struct.pack("<L", size)
    with pytest.raises(InputError):
        unpacked(bytes(content), tmp_path)


def test_overlapping_zip_members_are_refused(tmp_path: Path) -> None:
    """Many names for the same compressed bytes turn kilobytes into petabytes."""
    content = bytearray(zipped(("a", b"e" * 10_000), ("b", b"e" * 10_000)))
    first = content.index(b"PK\x01\x02")
    second = content.index(b"PK\x01\x02", first + 4)
    content[second + 42 : second + 46] = struct.pack("<L", 0)
    with pytest.raises(InputError, match="overlap"):
        unpacked(bytes(content), tmp_path)


def test_a_zip_with_a_huge_list_is_refused(tmp_path: Path) -> None:
    content = zipped(*((f"{number:0200}", b"") for number in range(2000)))
    with pytest.raises(InputError, match="too many files"):
        unpacked(content, tmp_path, ArchiveLimits(members=5))


def test_names_are_bounded_together(tmp_path: Path) -> None:
    """A name of kilobytes for each empty file: nothing on the disk, gigabytes in memory."""
    deep = "/".join(["d" * 250] * 15)
    content = tar(*(member(f"{deep}/{number}") for number in range(50)))
    with pytest.raises(InputError, match="names have more than the 100000 bytes"):
        unpacked(content, tmp_path, ArchiveLimits(name_bytes=100_000))
    assert len(unpacked(content, tmp_path)) == 65


def test_the_top_named_again_and_again_is_refused(tmp_path: Path) -> None:
    content = tar(*(member("./", type=tarfile.DIRTYPE) for _ in range(20)))
    with pytest.raises(InputError, match="more than the 10 files"):
        unpacked(content, tmp_path, ArchiveLimits(members=10))


def test_unpacking_without_content_can_be_cancelled(tmp_path: Path) -> None:
    archive, into = tmp_path / "archive", tmp_path / "into"
    archive.write_bytes(tar(member("empty")))
    into.mkdir()
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(TransferCancelled):
        unpack(archive, into, cancelled=cancelled)
    assert list(into.iterdir()) == []


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    whole = tar(member("a", b"x" * 600), member("b", b"y" * 600))
    for archive in (whole, zipped(("a", b"x" * 600), ("b", b"y" * 600))):
        for length in range(0, len(archive), 7):
            with pytest.raises(InputError):
                unpacked(archive[:length], tmp_path)
