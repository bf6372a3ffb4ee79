"""Users of their own for jobs: given to one at a time, empty, and owners of their files."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support import needs
from support.native_jobs import linux_only, wait_until
from support.short_lived import child, sleep

from node3nb.supervisor.disk import MAX_DEPTH
from node3nb.supervisor.sandbox import slots
from node3nb.supervisor.sandbox.slots import Slot

pytestmark = [
    linux_only,
    needs.lacking(os.geteuid() != 0, "only root can give processes other users"),
]

#: Far from those that providers beside this test use: they begin at the front.
FIRST = slots.UIDS[-8]


@pytest.fixture(autouse=True)
def few_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "UIDS", range(FIRST, FIRST + 3))


@pytest.fixture
def locks(tmp_path: Path) -> str:
    return str(tmp_path / "locks")


@pytest.fixture
def slot(locks: str) -> Iterator[Slot]:
    yield from taken(locks)


def taken(locks: str) -> Iterator[Slot]:
    slot = slots.take(locks)
    assert slot is not None
    try:
        yield slot
    finally:
        with suppress(OSError):
            slot.release()


def become(uid: int) -> None:
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def live_as(uid: int) -> None:
    become(uid)
    sleep()


def owner(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_uid, status.st_gid


def test_each_is_given_out_once(locks: str) -> None:
    held = [slots.take(locks) for _ in slots.UIDS]
    assert [slot and slot.uid for slot in held] == list(slots.UIDS)
    assert slots.take(locks) is None
    second = held[1]
    assert second is not None
    second.release()
    again = slots.take(locks)
    assert again is not None
    assert again.uid == second.uid
    for slot in (held[0], again, held[2]):
        assert slot is not None
        slot.release()


def test_range_is_systemds() -> None:
    """Distributions give these numbers to no account."""
    assert 61184 <= FIRST <= FIRST + 8 <= 65519


def test_locks_are_roots_alone(locks: str, slot: Slot) -> None:
    assert os.stat(locks).st_mode & 0o777 == 0o700
    Path(locks).chmod(0o777)
    slot.release()
    assert list(taken(locks))
    assert os.stat(locks).st_mode & 0o777 == 0o700


def test_directory_of_somebody_else(locks: str) -> None:
    os.mkdir(locks)
    os.chown(locks, FIRST, FIRST)
    assert slots.take(locks) is None


def test_link_in_the_place_of_the_directory(locks: str, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    os.symlink(tmp_path / "elsewhere", locks)
    assert slots.take(locks) is None


def test_killed_holder_gives_it_back(locks: str, tmp_path: Path) -> None:
    def hold() -> None:
        slot = slots.take(locks)
        (tmp_path / "held").touch()
        sleep()
        del slot

    with child(hold) as pid:
        wait_until((tmp_path / "held").exists)
        assert next(taken(locks)).uid == FIRST + 1
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        assert next(taken(locks)).uid == FIRST


def test_program_does_not_hold_it(locks: str, slot: Slot) -> None:
    """It is the keeper's: no program that is executed inherits the lock."""
    program = "import os, sys; os.fstat(int(sys.argv[1]))"
    command = [sys.executable, "-c", program, str(slot._lock)]
    ran = subprocess.run(command, check=False, close_fds=False, capture_output=True, timeout=30)
    assert b"Bad file descriptor" in ran.stderr


def test_released_although_a_fork_has_it_open(locks: str, slot: Slot) -> None:
    with child(sleep):
        slot.release()
        assert next(taken(locks)).uid == slot.uid


def test_user_with_processes_is_not_given_out(locks: str) -> None:
    assert slots.empty(FIRST)
    with child(lambda: live_as(FIRST)):
        wait_until(lambda: not slots.empty(FIRST))
        assert next(taken(locks)).uid == FIRST + 1


def test_effective_user_counts(locks: str) -> None:
    def live() -> None:
        os.seteuid(FIRST)
        sleep()

    with child(live):
        wait_until(lambda: not slots.empty(FIRST))


def test_account_of_somebody_is_not_given_out(locks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(uid: int) -> None:
        if uid != FIRST:
            raise KeyError(uid)

    monkeypatch.setattr(slots.pwd, "getpwuid", find)
    assert next(taken(locks)).uid == FIRST + 1


def test_number_that_systemd_uses_is_not_given_out(
    locks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "SYSTEMD_USERS", str(tmp_path))
    (tmp_path / str(FIRST)).touch()
    assert next(taken(locks)).uid == FIRST + 1


def test_sweep(locks: str) -> None:
    """What a dead keeper's job left is killed; a living one's job and strangers are not."""
    held = [slots.take(locks) for _ in range(2)]
    assert None not in held
    with (
        child(lambda: live_as(FIRST)) as kept,
        child(lambda: live_as(FIRST + 1)) as left,
        child(lambda: live_as(FIRST + 2)) as stranger,
    ):
        wait_until(lambda: not any(map(slots.empty, slots.UIDS)))
        assert held[1] is not None
        fcntl.flock(held[1]._lock, fcntl.LOCK_UN)  # as the kernel does when its holder dies
        assert slots.sweep(locks) == [FIRST + 1]
        assert os.waitpid(left, 0)[1] == signal.SIGKILL
        for pid in (kept, stranger):
            assert os.waitpid(pid, os.WNOHANG) == (0, 0)
    assert slots.sweep(locks) == []


def test_others_have_no_slots(locks: str) -> None:
    def act() -> None:
        become(FIRST)
        os._exit(7 if slots.take(locks) is None and slots.sweep(locks) == [] else 1)

    with child(act) as pid:
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def test_trees_are_given(tmp_path: Path) -> None:
    inner = tmp_path / "tree" / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "file").touch()
    slots.own((str(tmp_path / "tree"),), FIRST)
    for path in (inner / "file", inner, inner.parent, tmp_path / "tree"):
        assert owner(path) == (FIRST, FIRST)
    assert owner(tmp_path) == (0, 0)


def test_links_are_not_followed(tmp_path: Path) -> None:
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    outside.mkdir()
    tree.mkdir()
    (outside / "file").touch()
    (tree / "to-file").symlink_to(outside / "file")
    (tree / "to-directory").symlink_to(outside)
    slots.own((str(tree),), FIRST)
    assert owner(tree / "to-file") == owner(tree / "to-directory") == (FIRST, FIRST)
    assert owner(outside) == owner(outside / "file") == (0, 0)


def test_root_that_is_a_link(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "tree").symlink_to("outside")
    with pytest.raises(OSError, match="tree"):
        slots.own((str(tmp_path / "tree"),), FIRST)
    assert owner(tmp_path / "outside") == (0, 0)


def test_file_with_a_second_name_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "outside").touch()
    os.link(tmp_path / "outside", tmp_path / "tree" / "same")
    slots.own((str(tmp_path / "tree"),), FIRST)
    assert owner(tmp_path / "outside") == (0, 0)


def test_too_deep(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * (MAX_DEPTH + 3))
    deep.mkdir(parents=True)
    with pytest.raises(OSError, match="deeper"):
        slots.own((str(tmp_path),), FIRST)
