"""Archives unpacked whole or not at all, within limits, and never outside."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.archive_making import FORMATS, member, tar, unpacked, zipped

from node3nb.errors import InputError, TransferCancelled
from node3nb.files.archives import ArchiveLimits, unpack


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_tars_of_every_format(tmp_path: Path, form: str, mode: str) -> None:
    long = "/".join(["directory-with-a-long-name"] * 8) + "/file"
    name = long if form != "ustar" else long[-200:].partition("/")[2]
    content = tar(
        member("./", type=tarfile.DIRTYPE),
        member("./empty/", type=tarfile.DIRTYPE),
        member("a/b", b"x" * 1000),
        member("déjà vu — 数据.txt", b"u") if form != "ustar" else member("plain", b"u"),
        member(name, b"deep"),
        member("zero"),
        mode=mode,
        form=form,
    )
    files = unpacked(content, tmp_path)
    assert files["a/b"] == b"x" * 1000
    assert files[name] == b"deep"
    assert files["zero"] == b""
    assert files["empty"] is None


def test_tars_of_the_git_kind(tmp_path: Path) -> None:
    """`git archive` writes a global header with a comment."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", pax_headers={"comment": "0" * 40}) as archive:
        archive.addfile(tarfile.TarInfo("a"))
    assert unpacked(buffer.getvalue(), tmp_path) == {"a": b""}


def test_zips(tmp_path: Path) -> None:
    content = zipped(("a/b.txt", b"b" * 9000), ("empty/", b""), ("déjà.txt", b"u"))
    files = unpacked(content, tmp_path)
    assert files == {"a": None, "a/b.txt": b"b" * 9000, "empty": None, "déjà.txt": b"u"}


def test_empty_archives(tmp_path: Path) -> None:
    assert unpacked(tar(), tmp_path) == unpacked(zipped(), tmp_path) == {}


def test_modes_and_owners_are_ours(tmp_path: Path) -> None:
    archive, into = tmp_path / "a", tmp_path / "into"
    into.mkdir()
    archive.write_bytes(
        tar(
            member("d", type=tarfile.DIRTYPE, mode=0o7777),
            member("d/run", mode=0o6777, uid=12345, gid=12345),
            member("d/secret", mode=0),
        )
    )
    unpack(archive, into)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in into.rglob("*")}
    assert modes == {"d": 0o755, "run": 0o755, "secret": 0o644}
    assert (into / "d" / "run").stat().st_uid == os.geteuid()


LIMITS = ArchiveLimits(bytes=10_000, members=10, depth=3)


@pytest.mark.parametrize(
    "members",
    [
        [member("a", b"x" * 6000), member("b", b"x" * 6000)],
        [member(str(number)) for number in range(11)],
        [member("a/b/c/d")],
        [member(f"{number}/a") for number in range(6)],
    ],
)
def test_limits_hold(tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    plain = [(info.name, content) for info, content in members]
    for content in (tar(*members), zipped(*plain)):
        with pytest.raises(InputError):
            unpacked(content, tmp_path, LIMITS)
        unpacked(content, tmp_path)


@pytest.mark.parametrize("pack", [lambda c: tar(member("a", c)), lambda c: zipped(("a", c))])
def test_bombs_are_refused(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    bomb = pack(bytes(3 << 20))
    with pytest.raises(InputError, match="unpacks to more"):
        unpacked(bomb, tmp_path, ArchiveLimits(ratio_from_bytes=1 << 20))
    unpacked(bomb, tmp_path)


def test_endless_padding_is_refused(tmp_path: Path) -> None:
    bomb = gzip.compress(tar(member("a"), mode="w") + bytes(32 << 20))
    with pytest.raises(InputError, match="follows its end"):
        unpacked(bomb, tmp_path)


def test_a_member_hidden_behind_the_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="follows its end"):
        unpacked(tar(member("a"), mode="w") + tar(member("b"), mode="w"), tmp_path)


def test_a_used_directory_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(tar(member("a")))
    (tmp_path / "into").mkdir()
    (tmp_path / "into" / "mine").touch()
    with pytest.raises(InputError, match="not empty"):
        unpack(tmp_path / "archive", tmp_path / "into")
    assert (tmp_path / "into" / "mine").exists()


def test_unpacking_can_be_cancelled(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(tar(member("a", b"x")))
    (tmp_path / "into").mkdir()
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(TransferCancelled):
        unpack(tmp_path / "archive", tmp_path / "into", cancelled=cancelled)
    assert list((tmp_path / "into").iterdir()) == []


PARTS = st.sampled_from(["a", "b", "c", "..", ".", "", "\u202e", "d" * 99, "é", "a\\b", "C:", "\n"])
NAMES = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
KINDS = st.sampled_from([b"0"] * 6 + [b"5", b"5", b"1", b"2", b"3", b"6", b"S"])
MEMBERS = st.lists(st.tuples(NAMES, KINDS, st.binary(max_size=700)), max_size=6)


def regular(members: list[tuple[str, bytes, bytes]]) -> dict[str, bytes]:
    """Return the files among members; a name that ends with a slash is a directory's."""
    files = [(name, content) for name, kind, content in members if kind == b"0"]
    return {os.path.normpath(name): content for name, content in files if name[-1:] != "/"}


@settings(max_examples=150, deadline=None)
@given(MEMBERS, st.sampled_from(["gnu", "pax"]), st.sampled_from(["w", "w:gz"]))
def test_any_tar_is_whole_or_refused(
    members: list[tuple[str, bytes, bytes]], form: str, mode: str
) -> None:
    built = [
        member(name, content if kind == b"0" else b"", type=kind, linkname="/etc/passwd")
        for name, kind, content in members
    ]
    whole_or_refused(tar(*built, mode=mode, form=form), regular(members))


@settings(max_examples=100, deadline=None)
@given(MEMBERS)
def test_any_zip_is_whole_or_refused(members: list[tuple[str, bytes, bytes]]) -> None:
    members = [(name, b"0", content) for name, _, content in members if not name.endswith("/")]
    unique = {name: (name, kind, content) for name, kind, content in members}
    plain = [(name, content) for name, _, content in unique.values() if name]
    whole_or_refused(zipped(*plain), regular([(n, b"0", c) for n, c in plain]))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["w", "w:gz", "zip"]), st.data())
def test_any_damage_is_refused_or_harmless(kind: str, data: st.DataObject) -> None:
    good = {"a/b": b"x" * 700, "c": b"y" * 40}
    content = bytearray(
        zipped(*good.items())
        if kind == "zip"
        else tar(*map(member, good, good.values()), mode=kind)
    )
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    whole_or_refused(bytes(content), {})


def whole_or_refused(content: bytes, expected: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as parent:
        try:
            files = unpacked(content, Path(parent))
        except InputError:
            return
        assert {path: files.get(path) for path in expected} == expected
