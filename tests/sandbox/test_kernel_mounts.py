"""Mounts, each in a mount namespace of its own."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from support.forked import (
    ROOT_AND_STRANGER,
    error_of,
    errors_of,
    forked,
    linux_only,
    root_only,
)

from node3nb.supervisor.kernel import mounts, namespaces
from node3nb.supervisor.kernel.calls import Argument, call

pytestmark = linux_only

Answer = TypeVar("Answer")

KIB = 1024
#: Linux that has mount_setattr(2), and Linux that has not.
KERNELS = pytest.mark.parametrize("old", [False, True], ids=["new kernel", "old kernel"])


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Directories `source`, with a file and a directory in it, and `target`; all may write."""
    tmp_path.chmod(0o777)
    for name in ("source", "source/below", "target"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o777)
    (tmp_path / "source" / "file").write_text("text")
    (tmp_path / "source" / "program").write_text("#!/bin/sh\nexit 0\n")
    for name in ("file", "program"):
        (tmp_path / "source" / name).chmod(0o777)
    return tmp_path


def apart(action: Callable[[], Answer], uid: int = 0, *, old: bool = False) -> Answer:
    """Return what the action returns where its mounts are its own."""

    def within() -> Answer:
        if os.geteuid():
            namespaces.new_user(1000)
        namespaces.unshare(namespaces.NEWNS)
        mounts.stop_propagation()
        if old:
            mounts.call = _without_mount_setattr
        return action()

    return forked(within, uid=uid)


def _without_mount_setattr(name: str, *arguments: Argument, subject: str = "") -> int:
    if name == "mount_setattr":
        raise OSError(errno.ENOSYS, "not there", name)
    return call(name, *arguments, subject=subject)


def write(path: Path) -> int:
    return error_of(lambda: path.write_text("other"))


@KERNELS
@pytest.mark.parametrize("uid", ROOT_AND_STRANGER)
def test_read_only_reaches_what_is_mounted_below(place: Path, uid: int, old: bool) -> None:
    source, target = place / "source", place / "target"

    def tried() -> tuple[str, list[int]]:
        mounts.mount_tmpfs(f"{source}/below", mode=0o777, bytes=64 * KIB, inodes=16)
        mounts.bind(str(source), str(target), writable=False)
        tries = [target / "file", target / "new", target / "below" / "new"]
        return (target / "file").read_text(), [write(path) for path in tries]

    assert apart(tried, uid, old=old) == ("text", [errno.EROFS] * 3)


@KERNELS
@pytest.mark.parametrize("uid", ROOT_AND_STRANGER)
def test_writable_is_written_through(place: Path, uid: int, old: bool) -> None:
    def tried() -> int:
        mounts.bind(str(place / "source"), str(place / "target"), writable=True)
        return write(place / "target" / "file")

    assert apart(tried, uid, old=old) == 0
    assert (place / "source" / "file").read_text() == "other"


@KERNELS
def test_programs_run_if_they_may(place: Path, old: bool) -> None:
    def tried() -> list[int]:
        found, target = [], place / "target"
        for executable in (True, False):
            mounts.bind(str(place / "source"), str(target), writable=True, executable=executable)
            found.append(error_of(lambda: subprocess.run([target / "program"], check=True)))
        return found

    assert apart(tried, old=old) == [0, errno.EACCES]


@KERNELS
@root_only
def test_devices_are_devices_if_they_may(place: Path, old: bool) -> None:
    def tried() -> list[int]:
        target = place / "null"
        target.touch()
        found = []
        for devices in (True, False):
            mounts.bind("/dev/null", str(target), writable=True, devices=devices)
            found.append(write(target))
        return found

    assert apart(tried, old=old) == [0, errno.EACCES]


@KERNELS
def test_set_user_id_programs_are_ordinary_ones(place: Path, old: bool) -> None:
    def tried() -> bool:
        mounts.bind(str(place / "source"), str(place / "target"), writable=True)
        return bool(os.statvfs(place / "target").f_flag & os.ST_NOSUID)

    assert apart(tried, old=old)


@pytest.mark.parametrize("uid", ROOT_AND_STRANGER)
def test_what_a_descriptor_is_open_on(place: Path, uid: int) -> None:
    def tried() -> str:
        fd = os.open(place / "source", os.O_PATH)
        mounts.mount_tmpfs(str(place), mode=0o777, bytes=64 * KIB, inodes=16)
        (place / "shown").mkdir()
        mounts.bind(f"/proc/self/fd/{fd}", str(place / "shown"), writable=False)
        return (place / "shown" / "file").read_text()

    assert apart(tried, uid) == "text"


@KERNELS
@pytest.mark.parametrize("name", ["a b", "c\\d", "é", "line\nline"])
def test_hostile_names(place: Path, name: str, old: bool) -> None:
    source, target = place / name, place / f"{name} seen"

    def tried() -> list[int]:
        for path in (source, target, source / name):
            path.mkdir()
        mounts.mount_tmpfs(str(source / name), mode=0o777, bytes=64 * KIB, inodes=16)
        mounts.bind(str(source), str(target), writable=False)
        return [write(target / "new"), write(target / name / "new")]

    assert apart(tried, old=old) == [errno.EROFS] * 2


@KERNELS
def test_neighbours_with_a_like_name_stay_as_they_are(place: Path, old: bool) -> None:
    def tried() -> int:
        neighbour = place / "target-too"
        neighbour.mkdir()
        mounts.mount_tmpfs(str(neighbour), mode=0o777, bytes=64 * KIB, inodes=16)
        mounts.bind(str(place / "source"), str(place / "target"), writable=False)
        return write(neighbour / "new")

    assert apart(tried, old=old) == 0


@pytest.mark.parametrize("uid", ROOT_AND_STRANGER)
def test_memory_holds_so_much(place: Path, uid: int) -> None:
    target = place / "target"

    def tried() -> list[int]:
        mounts.mount_tmpfs(str(target), mode=0o700, bytes=64 * KIB, inodes=4)
        big = error_of(lambda: (target / "big").write_bytes(bytes(128 * KIB)))
        (target / "big").unlink()
        many = errors_of([(target / str(number)).touch for number in range(4)])
        return [target.stat().st_mode & 0o777, big, *many]

    assert apart(tried, uid) == [0o700, errno.ENOSPC, 0, 0, 0, errno.ENOSPC]


@pytest.mark.parametrize("uid", ROOT_AND_STRANGER)
def test_memory_is_resized_and_keeps_its_flags(place: Path, uid: int) -> None:
    target = place / "target"

    def tried() -> list[int]:
        mounts.mount_tmpfs(str(target), mode=0o777, bytes=64 * KIB, inodes=4, exec=False)
        flags = os.statvfs(target).f_flag
        mounts.resize_tmpfs(str(target), bytes=256 * KIB, inodes=8)
        (target / "big").write_bytes(bytes(128 * KIB))
        less = error_of(lambda: mounts.resize_tmpfs(str(target), bytes=64 * KIB, inodes=8))
        wanted = os.ST_NOEXEC | os.ST_NOSUID | os.ST_NODEV
        return [os.statvfs(target).f_flag - flags, flags & wanted == wanted, less]

    assert apart(tried, uid) == [0, True, errno.EINVAL]


@KERNELS
@pytest.mark.parametrize("uid", ROOT_AND_STRANGER)
def test_one_mount_becomes_read_only(place: Path, uid: int, old: bool) -> None:
    def tried() -> list[int]:
        top, below = place / "target", place / "target" / "below"
        mounts.mount_tmpfs(str(top), mode=0o777, bytes=64 * KIB, inodes=16)
        below.mkdir()
        mounts.mount_tmpfs(str(below), mode=0o777, bytes=64 * KIB, inodes=16)
        mounts.make_read_only(str(top))
        return [write(top / "new"), write(below / "new")]

    assert apart(tried, uid, old=old) == [errno.EROFS, 0]


@pytest.mark.parametrize("uid", ROOT_AND_STRANGER)
def test_a_new_root_is_all_there_is(place: Path, uid: int) -> None:
    def tried() -> tuple[list[str], str]:
        mounts.mount_tmpfs(str(place), mode=0o755, bytes=64 * KIB, inodes=16)
        (place / "only").mkdir()
        mounts.pivot(str(place))
        return os.listdir("/"), os.getcwd()

    assert apart(tried, uid) == (["only"], "/")


def test_detach_takes_away_what_is_in_use(place: Path) -> None:
    target = place / "target"

    def tried() -> tuple[list[str], str]:
        mounts.mount_tmpfs(str(target), mode=0o777, bytes=64 * KIB, inodes=16)
        with open(target / "file", "w+") as file:
            file.write("text")
            mounts.detach(str(target))
            file.seek(0)
            return os.listdir(target), file.read()

    assert apart(tried) == ([], "text")


@pytest.mark.parametrize("uid", ROOT_AND_STRANGER)
def test_processes_of_a_new_namespace(place: Path, uid: int) -> None:
    def within() -> list[str]:
        mounts.stop_propagation()
        mounts.mount_proc(str(place / "target"))
        return [name for name in os.listdir(place / "target") if name.isdigit()]

    def tried() -> list[str]:
        if os.geteuid():
            namespaces.new_user(1000)
        namespaces.unshare(namespaces.NEWNS | namespaces.NEWPID)
        return forked(within)

    assert forked(tried, uid=uid) == ["1"]


@root_only
def test_the_host_sees_nothing_of_it(place: Path) -> None:
    def tried() -> None:
        mounts.mount_tmpfs(str(place / "target"), mode=0o777, bytes=64 * KIB, inodes=16)
        (place / "target" / "inside").touch()

    apart(tried)
    assert list((place / "target").iterdir()) == []


def test_an_error_names_call_and_place(place: Path) -> None:
    def tried() -> str:
        with pytest.raises(FileNotFoundError) as caught:
            mounts.bind(str(place / "nowhere"), str(place / "target"), writable=True)
        return str(caught.value)

    assert apart(tried) == f"[Errno 2] No such file or directory: 'mount {place}/target'"
