"""Control groups: version 1 of this machine, and version 2 by its files."""

from __future__ import annotations

import mmap
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support import needs
from support.native_jobs import MIB, linux_only, wait_until
from support.short_lived import LIFE_S, child, sleep

from node3nb.supervisor.kernel import cgroups
from node3nb.supervisor.kernel.cgroups import Group, Groups

pytestmark = linux_only


@pytest.fixture
def groups() -> Iterator[Groups]:
    """Groups of version 1, for real."""
    found = cgroups.find()
    if isinstance(found, str):
        needs.miss(found)
    yield found
    found.end()
    assert not any(map(os.path.exists, found.homes))


@pytest.fixture
def group(groups: Groups) -> Group:
    return groups.create("one")


def run(act: Callable[[], object], group: Group) -> int:
    """Return how the process ended: its exit code, or minus its signal."""
    with child(act, group) as pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def take(mib: int) -> bytearray:
    return bytearray(b"x") * (mib * MIB)


def take_shared(mib: int) -> mmap.mmap:
    """Shared memory that no process has in its tables any more."""
    area = mmap.mmap(-1, mib * MIB)
    for offset in range(0, mib * MIB, MIB):
        area[offset : offset + MIB] = b"x" * MIB
        area.madvise(mmap.MADV_DONTNEED, offset, MIB)
    return area


def take_file(mib: int) -> int:
    file = os.memfd_create("x")
    for _ in range(mib):
        os.write(file, b"x" * MIB)
    return file


def test_limits_are_kept(group: Group) -> None:
    group.limit(96 * MIB, 17)
    assert group.limits() == (96 * MIB, 17)


@pytest.mark.parametrize("way", [take, take_shared, take_file])
def test_too_much_memory(group: Group, way: Callable[[int], object]) -> None:
    group.limit(64 * MIB, 8)
    assert run(lambda: way(40), group) == 0
    assert group.oom_kills() == 0
    assert run(lambda: way(200), group) == -signal.SIGKILL
    assert group.oom_kills() == 1


def test_memory_of_many(group: Group) -> None:
    group.limit(64 * MIB, 8)

    def two() -> None:
        os.fork()
        taken = take(40)
        time.sleep(1)
        del taken

    run(two, group)
    assert group.oom_kills() == 1


@pytest.mark.parametrize("way", [take, take_shared, take_file])
def test_what_is_held_is_told(group: Group, way: Callable[[int], object]) -> None:
    """Shared memory and files in memory, too, which no figure of a process has."""
    group.limit(512 * MIB, 8)

    def act() -> None:
        held = way(100)
        sleep()
        del held

    with child(act, group):
        wait_until(lambda: group.memory_bytes() > 99 * MIB)
        assert group.memory_bytes() < 130 * MIB


def test_cached_files_are_no_memory(group: Group, tmp_path: Path) -> None:
    """A job may write more than its memory: the cache is dropped, nobody is killed."""
    group.limit(64 * MIB, 8)
    told: list[int] = []

    def write() -> None:
        with (tmp_path / "large").open("wb") as file:
            for _ in range(250):
                file.write(b"x" * MIB)
        told.append(group.memory_bytes())
        os._exit(0 if told[0] < 32 * MIB else 2)

    assert run(write, group) == 0
    assert group.oom_kills() == 0


def test_too_many_processes(group: Group) -> None:
    group.limit(256 * MIB, 4)

    def bomb() -> None:
        children = []
        with suppress(BlockingIOError):
            while len(children) < 20:
                children.append(os.fork() or sleep())
        os._exit(len(children))

    assert run(bomb, group) == 3
    assert group.kill()


def test_children_are_born_in_the_group(group: Group) -> None:
    def act() -> None:
        os.fork()
        os.setsid()
        os.fork()
        sleep()

    with child(act, group) as pid:
        wait_until(lambda: len(group.processes()) == 4)
        assert pid in group.processes()
        assert os.getpid() not in group.processes()
        assert group.kill()
        assert group.processes() == set()


def test_killing_those_that_fork(group: Group) -> None:
    group.limit(256 * MIB, 64)

    def act() -> None:
        until = time.monotonic() + LIFE_S
        while time.monotonic() < until:
            with suppress(BlockingIOError):
                if os.fork():
                    os._exit(0)
            with suppress(BlockingIOError):
                os.fork()

    with child(act, group):
        wait_until(lambda: len(group.processes()) > 8)
        began = time.monotonic()
        assert group.kill()
        assert time.monotonic() - began < 1


def test_removal_kills(groups: Groups, group: Group) -> None:
    with child(sleep, group) as pid:
        groups.remove("one")
        assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    assert not any(map(os.path.exists, group.directories))
    groups.remove("one")
    group.remove()
    assert group.processes() == set()


def test_group_that_is_there_is_not_taken(groups: Groups, group: Group) -> None:
    with child(sleep, group):
        with pytest.raises(FileExistsError):
            groups.create("one")
        assert len(group.processes()) == 1


def test_half_a_group_is_none(groups: Groups) -> None:
    os.mkdir(f"{groups.homes[-1]}/half")
    with pytest.raises(FileExistsError):
        groups.create("half")
    assert not os.path.exists(f"{groups.homes[0]}/half")


def test_frame(groups: Groups) -> None:
    import marshal

    assert Groups.from_frame(marshal.loads(marshal.dumps(groups.to_frame()))) == groups


def test_named_after_another_process() -> None:
    with child(sleep) as pid:
        found = cgroups.find(pid)
        if isinstance(found, str):
            needs.miss(found)
        assert all(f"/node3nb-{pid}-" in home for home in found.homes)
        found.end()


def test_sweep(groups: Groups) -> None:
    """A dead provider's groups go, with who lives in them; a living one's stay."""
    with child(sleep) as alive, child(sleep) as stray:
        kept = cgroups.find(alive)
        assert isinstance(kept, Groups)
        with child(sleep) as dead:
            left = cgroups.find(dead)
            assert isinstance(left, Groups)
            left.create("job-1").enter(stray)
        cgroups.sweep(groups)
        assert os.waitpid(stray, 0)[1] == signal.SIGKILL
        assert not any(map(os.path.exists, left.homes))
        assert all(map(os.path.exists, kept.homes + groups.homes))
        kept.end()


def test_a_supervisor_that_nobody_buries_keeps_no_group(groups: Groups) -> None:
    """In a container its parent's parent may be a program that knows nothing of orphans."""
    dead = os.fork()
    if not dead:
        sleep()
    left = cgroups.find(dead)
    assert isinstance(left, Groups)
    os.kill(dead, signal.SIGKILL)
    os.waitid(os.P_PID, dead, os.WEXITED | os.WNOWAIT)
    cgroups.sweep(groups)
    assert not any(map(os.path.exists, left.homes))
    os.waitpid(dead, 0)


def test_process_id_used_again(groups: Groups) -> None:
    """Another process under the number of a supervisor that is gone does not keep its groups."""
    old = [os.path.join(os.path.dirname(home), f"node3nb-{os.getpid()}-1") for home in groups.homes]
    for directory in old:
        os.mkdir(directory)
    cgroups.sweep(groups)
    assert not any(map(os.path.exists, old))


@needs.lacking(os.geteuid() != 0, "becomes another user")
def test_ordinary_user_is_told_why() -> None:
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        with suppress(BaseException):
            os.setgroups([])
            os.setresgid(12345, 12345, 12345)
            os.setresuid(12345, 12345, 12345)
            os.write(writer, str(cgroups.find()).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(writer)
    with open(reader) as said:
        why = said.read()
    assert why.startswith(("No control group", "Groups(version='cgroup2'"))
