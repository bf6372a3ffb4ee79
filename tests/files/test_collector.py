"""Outputs collected from directories full of traps."""

from __future__ import annotations

import hashlib
import os
import socket
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from node3nb.errors import OutputLimitError
from node3nb.files import archives, beneath
from node3nb.files.collector import Collected, CollectLimits, collect
from node3nb.files.removal import remove_tree


@pytest.fixture
def output(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "output"
    directory.mkdir()
    yield directory
    remove_tree(directory)


@pytest.fixture(params=["openat2", "openat"])
def _both_calls(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test with the system's best call and with the one that every system has."""
    if request.param == "openat":
        monkeypatch.setattr(beneath, "_openat2", lambda: None)


def contents(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as opened:
        files = {info.name: opened.extractfile(info) for info in opened}
        return {name: file.read() for name, file in files.items() if file is not None}


def consistent(collected: Collected) -> dict[str, bytes]:
    """Return the archive's files, which must be exactly the ones that were announced."""
    assert collected.archive is not None
    raw = collected.archive.read_bytes()
    assert hashlib.sha256(raw).hexdigest() == collected.archive_sha256
    assert len(raw) == collected.archive_bytes
    files = contents(collected.archive)
    assert [(f"output/{file.path}", file.bytes, file.sha256) for file in collected.files] == [
        (name, len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items()
    ]
    return files


def reasons(collected: Collected) -> dict[str, str]:
    return {refused.path: refused.why for refused in collected.refused}


@pytest.mark.usefixtures("_both_calls")
def test_files_are_hashed_and_packed(output: Path, tmp_path: Path) -> None:
    (output / "a").mkdir()
    (output / "a" / "x").write_bytes(b"x" * 100_000)
    (output / "a.txt").write_bytes(b"")
    (output / "déjà 数.bin").write_bytes(b"u")
    (output / "run").write_bytes(b"#!")
    (output / "run").chmod(0o4755)
    collected = collect(output, None, tmp_path / "out.tar.gz")
    assert [file.path for file in collected.files] == ["a.txt", "a/x", "déjà 数.bin", "run"]
    assert consistent(collected)["output/a/x"] == b"x" * 100_000
    assert collected.refused == ()
    with tarfile.open(tmp_path / "out.tar.gz") as opened:
        info = opened.getmember("output/run")
        assert (info.mode, info.mtime, info.uid, info.uname) == (0o755, 0, 0, "")


def test_the_same_outputs_give_the_same_archive(output: Path, tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (output / name).write_bytes(name.encode() * 1000)
    first = collect(output, None, tmp_path / "1.tar.gz")
    for name in ("c", "a", "b"):
        (output / name).unlink()
        (output / name).write_bytes(name.encode() * 1000)
    assert collect(output, None, tmp_path / "2.tar.gz").archive_sha256 == first.archive_sha256


def test_without_an_archive_files_are_only_hashed(output: Path, tmp_path: Path) -> None:
    (output / "a").write_bytes(b"a")
    collected = collect(output)
    assert collected.files[0].sha256 == hashlib.sha256(b"a").hexdigest()
    assert (collected.archive, collected.archive_sha256, collected.archive_bytes) == (None, "", 0)
    assert [path.name for path in tmp_path.iterdir()] == ["output"]


def test_no_outputs_are_an_empty_archive(output: Path, tmp_path: Path) -> None:
    assert consistent(collect(output, None, tmp_path / "out.tar.gz")) == {}


def set_traps(output: Path) -> None:
    (output / "good").write_bytes(b"good")
    (output / "link").symlink_to("/etc/passwd")
    (output / "dirlink").symlink_to("/etc")
    (output / "loop").symlink_to("loop")
    (output / "hard1").write_bytes(b"h")
    os.link(output / "hard1", output / "hard2")
    os.mkfifo(output / "fifo")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(os.path.relpath(output / "sock"))
    if os.geteuid() == 0:
        os.mknod(output / "device", 0o20600, os.makedev(1, 3))
    (output / "sparse").touch()
    os.truncate(output / "sparse", 1 << 42)
    for name in (b"nl\nname", b"bad\xff", b"ctl\x1b[2J", b"back\\slash", b"C:x"):
        (output / os.fsdecode(name)).touch()
    for name in ("-rf", "..evil", "10:30.csv"):
        (output / name).write_bytes(b"fine")


@pytest.mark.usefixtures("_both_calls")
def test_traps_are_refused_and_named(output: Path, tmp_path: Path) -> None:
    set_traps(output)
    collected = collect(output, None, tmp_path / "out.tar.gz")
    assert set(consistent(collected)) == {
        f"output/{name}" for name in ("good", "-rf", "..evil", "10:30.csv")
    }
    found = reasons(collected)
    expected = {
        *("'link'", "'dirlink'", "'loop'", "'hard1'", "'hard2'", "'fifo'", "'sock'", "'sparse'"),
        *(r"'nl\nname'", r"'bad\udcff'", r"'ctl\x1b[2J'", r"'back\\slash'", "'C:x'"),
    }
    assert set(found) - {"'device'"} == expected
    assert ("'device'" in found) == (os.geteuid() == 0)
    assert "4398046511104" in found["'sparse'"]
    assert all(f"{path} {why}".isprintable() for path, why in found.items())


@pytest.mark.usefixtures("_both_calls")
def test_a_deep_tree_is_cut(output: Path) -> None:
    descriptor = os.open(output, os.O_RDONLY)
    for _ in range(6000):
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    (output / "d" / "e").write_bytes(b"e")
    collected = collect(output, CollectLimits(depth=8))
    assert [file.path for file in collected.files] == ["d/e"]
    assert reasons(collected) == {repr("/".join("d" * 8)): "it is more than 8 directories deep"}


def test_locked_files_are_read_all_the_same(output: Path) -> None:
    """As root the modes stop nobody; the test then shows only that they do no harm."""
    (output / "d").mkdir()
    (output / "d" / "file").write_bytes(b"x")
    for path in (output / "d" / "file", output / "d", output):
        path.chmod(0)
    assert [file.path for file in collect(output).files] == ["d/file"]


def test_a_missing_or_replaced_directory_has_no_outputs(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    (tmp_path / "file").touch()
    for name in ("none", "link", "file"):
        collected = collect(tmp_path / name, None, tmp_path / "out.tar.gz")
        assert collected.files == ()
        assert "can't be read" in reasons(collected)["'.'"]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (CollectLimits(files=4), "5 files or more and 4 are"),
        (CollectLimits(bytes=4500), "5000 bytes or more and 4500 are"),
        (CollectLimits(entries=4), "5 entries or more and 4 are"),
        (CollectLimits(path_bytes=4), "more than the 4 bytes allowed together"),
    ],
)
def test_limits_are_told_with_what_was_found(
    output: Path, tmp_path: Path, limits: CollectLimits, message: str
) -> None:
    for number in range(5):
        (output / str(number)).write_bytes(os.urandom(1000))
    with pytest.raises(OutputLimitError, match=message):
        collect(output, limits, tmp_path / "out.tar.gz")
    assert [path.name for path in tmp_path.iterdir()] == ["output"]


@pytest.mark.parametrize("change", ["shrink", "grow", "rewrite"])
def test_a_file_that_changes_while_it_is_read_is_left_out(
    output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    for name in ("a", "b", "c"):
        (output / name).write_bytes(os.urandom(600_000))
    target, real, changed = output / "b", archives._read, []

    def reading(descriptor: int, size: int) -> bytes:
        chunk = real(descriptor, size)
        if os.path.samestat(os.fstat(descriptor), target.stat()) and not changed:
            changed.append(True)
            if change == "rewrite":
                os.utime(target, ns=(1, 1))
            else:
                os.truncate(target, 300_000 if change == "shrink" else 900_000)
        return chunk

    monkeypatch.setattr(archives, "_read", reading)
    collected = collect(output, None, tmp_path / "out.tar.gz")
    assert set(consistent(collected)) == {"output/a", "output/c"}
    assert "while it was read" in reasons(collected)["'b'"]


@pytest.mark.usefixtures("_both_calls")
def test_a_swapped_file_is_noticed(
    output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between looking and opening a link takes the file's place."""
    (output / "a").write_bytes(b"a")
    (tmp_path / "secret").write_bytes(b"secret")
    real = os.stat

    def swapping(name: str, *args: object, **kwargs: object) -> os.stat_result:
        info = real(name, *args, **kwargs)  # type: ignore[arg-type]
        if name == "a":
            (output / "a").unlink()
            (output / "a").symlink_to(tmp_path / "secret")
        return info

    monkeypatch.setattr(os, "stat", swapping)
    collected = collect(output)
    monkeypatch.undo()
    assert collected.files == ()
    assert "'a'" in reasons(collected)


def test_a_tree_that_is_written_to_never_corrupts(output: Path, tmp_path: Path) -> None:
    """Outputs are collected from dead trees only; if one lives, the archive is still sound."""
    (tmp_path / "secret").write_bytes(b"SECRET")
    done = threading.Event()
    writer = threading.Thread(target=mutate, args=(output, tmp_path / "secret", done))
    writer.start()
    try:
        for number in range(40):
            collected = collect(output, None, tmp_path / f"{number}.tar.gz")
            for content in consistent(collected).values():
                assert b"SECRET" not in content
    finally:
        done.set()
        writer.join()


def mutate(output: Path, secret: Path, done: threading.Event) -> None:
    turn = 0
    while not done.is_set():
        turn += 1
        path, directory = output / f"f{turn % 5}", output / f"d{turn % 3}"
        path.unlink(missing_ok=True)
        if turn % 4 == 0:
            path.symlink_to(secret)
        else:
            path.write_bytes(bytes([turn % 256]) * (turn % 7 * 50_000))
        if directory.is_symlink():
            directory.unlink()
            directory.mkdir()
            (directory / "x").write_bytes(b"x" * (turn % 1000))
        else:
            remove_tree(directory)
            directory.symlink_to(secret.parent)
