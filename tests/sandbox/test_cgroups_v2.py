"""Control groups of version 2 by their files, which are pretended, and where groups are found."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import needs
from support.native_jobs import MIB, linux_only
from support.pretended_cgroups import PretendedCgroups
from support.short_lived import child, sleep

from node3nb.supervisor.kernel import cgroup_mounts, cgroups
from node3nb.supervisor.kernel.cgroup_v2 import GroupV2
from node3nb.supervisor.kernel.cgroups import Groups

pytestmark = linux_only


@pytest.fixture
def pretended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PretendedCgroups]:
    """A service of a user's session; the service of the session passes its controllers on."""
    made = PretendedCgroups(tmp_path, "user.slice/app.slice/jupyter.scope", monkeypatch)
    made.delegate(made.own.parent)
    yield made
    monkeypatch.undo()


def found_in(pretended: PretendedCgroups) -> Groups:
    found = cgroups.find(proc=str(pretended.proc))
    assert isinstance(found, Groups), found
    return found


class TestVersion2:
    def test_made_beside_a_group_with_processes(self, pretended: PretendedCgroups) -> None:
        found = found_in(pretended)
        (home,) = map(Path, found.homes)
        assert found.version == "cgroup2"
        assert home.parent == pretended.own.parent
        assert (home / "cgroup.subtree_control").read_text() == "+memory +pids"
        assert [entry.name for entry in home.iterdir() if entry.is_dir()] == []
        assert pretended.own.joinpath("cgroup.procs").read_text() == f"{os.getpid()}\n"

    def test_made_in_the_own_group_where_that_passes_on(self, pretended: PretendedCgroups) -> None:
        pretended.delegate(pretended.own)
        (home,) = found_in(pretended).homes
        assert Path(home).parent == pretended.own

    def test_controllers_that_are_not_passed_on(self, pretended: PretendedCgroups) -> None:
        (pretended.own.parent / "cgroup.subtree_control").write_text("cpu pids\n")
        assert cgroups.find(proc=str(pretended.proc)) == cgroups.NO_CONTROLLERS

    def test_not_ours_to_change(
        self, pretended: PretendedCgroups, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(path: str, *_: object) -> None:
            raise PermissionError(13, os.strerror(13), path)

        monkeypatch.setattr(os, "mkdir", refuse)
        why = cgroups.find(proc=str(pretended.proc))
        assert why == f"No control group can be made in {pretended.own.parent} (Permission denied)."

    def test_kernel_that_does_not_keep_limits(
        self, pretended: PretendedCgroups, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cgroups.GroupV2, "limits", lambda _: (sys.maxsize, 8))
        why = cgroups.find(proc=str(pretended.proc))
        assert isinstance(why, str)
        assert "does not keep its limits" in why
        assert not list(pretended.own.parent.glob("node3nb-*"))

    def test_limits(self, pretended: PretendedCgroups) -> None:
        group = found_in(pretended).create("one")
        assert group.limits() == (sys.maxsize, sys.maxsize)
        group.limit(64 * MIB, 9)
        (place,) = map(Path, group.directories)
        said = {name: (place / name).read_text() for name in ("memory.max", "pids.max")}
        assert said == {"memory.max": str(64 * MIB), "pids.max": "9"}
        assert (place / "memory.swap.max").read_text() == "0"
        assert (place / "memory.oom.group").read_text() == "1"
        assert group.limits() == (64 * MIB, 9)

    def test_kernel_without_swap_or_group_kill(self, pretended: PretendedCgroups) -> None:
        group = found_in(pretended).create("one")
        (place,) = map(Path, group.directories)
        for name in ("memory.swap.max", "memory.swap.current", "memory.oom.group"):
            (place / name).unlink()
        group.limit(64 * MIB, 9)
        assert group.limits() == (64 * MIB, 9)
        assert group.memory_bytes() == 0

    def test_memory(self, pretended: PretendedCgroups) -> None:
        group = found_in(pretended).create("one")
        (place,) = map(Path, group.directories)
        (place / "memory.stat").write_text("anon 1000\nfile 999999\nshmem 200\n")
        (place / "memory.swap.current").write_text("30\n")
        assert group.memory_bytes() == 1230

    def test_killed_for_the_limit(self, pretended: PretendedCgroups) -> None:
        """What the machine's own lack of memory killed is another matter."""
        group = found_in(pretended).create("one")
        events = Path(group.directories[0]) / "memory.events"
        assert group.oom_kills() == 0
        events.write_text("low 0\nhigh 0\nmax 0\noom 0\noom_kill 1\noom_group_kill 0\n")
        assert group.oom_kills() == 0
        events.write_text("low 0\nhigh 0\nmax 7\noom 2\noom_kill 3\noom_group_kill 1\n")
        assert group.oom_kills() == 3

    def test_killed_at_once(self, pretended: PretendedCgroups) -> None:
        group = found_in(pretended).create("one")
        order = Path(group.directories[0]) / "cgroup.kill"
        order.write_text("")
        group.enter(os.getpid())
        group._kill(group.processes())
        assert order.read_text() == "1"

    def test_killed_one_by_one_before_linux_5_14(self, pretended: PretendedCgroups) -> None:
        group = found_in(pretended).create("one")
        with child(sleep, group) as pid:
            group._kill(group.processes())
            assert os.waitpid(pid, 0)[1] == signal.SIGKILL

    def test_sweep(self, pretended: PretendedCgroups) -> None:
        ours = found_in(pretended)
        gone, alive, other = "node3nb-4000001-5", "node3nb-4000002-5", "node3nb-4000003-5-x"
        pretended.show_process(4000002, 5)
        for name in (gone, alive, other):
            os.mkdir(pretended.own.parent / name)
        os.mkdir(pretended.own.parent / gone / "job-1")
        cgroups.sweep(ours, proc=str(pretended.proc))
        left = {path.name for path in pretended.own.parent.glob("node3nb-*")}
        assert left == {alive, other, Path(ours.homes[0]).name}


def test_killed_at_once_for_real() -> None:
    """What needs no controller is tried in a true group, where this user may make one."""
    own = cgroup_mounts.own_v2("/proc")
    if own is None or not os.access(own, os.W_OK):
        needs.miss("no group of version 2 can be made here")
    group = GroupV2.make([f"{own}/node3nb-test-{os.getpid()}"])
    try:
        with child(sleep, group) as pid:
            assert group.processes() == {pid}
            assert group.kill()
            assert os.waitpid(pid, 0)[1] == signal.SIGKILL
            assert group.processes() == set()
    finally:
        group.remove()
    assert not os.path.exists(group.directories[0])


class TestMounts:
    """Where a group's directory is, by the two tables of /proc."""

    @pytest.mark.parametrize(
        ("group", "root", "directory"),
        [
            ("/", "/", "/sys/fs/cgroup/memory"),
            ("/a/b", "/", "/sys/fs/cgroup/memory/a/b"),
            ("/docker/1f", "/docker/1f", "/sys/fs/cgroup/memory"),
            ("/docker/1f/x", "/docker/1f", "/sys/fs/cgroup/memory/x"),
            ("/docker/2e", "/docker/1f", None),
            ("/../outside", "/", None),
        ],
    )
    def test_directory(self, tmp_path: Path, group: str, root: str, directory: str | None) -> None:
        (tmp_path / "self").mkdir()
        (tmp_path / "self" / "cgroup").write_text(f"5:cpu,memory:{group}\n0::/\n")
        (tmp_path / "self" / "mountinfo").write_text(
            "29 28 0:26 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
            f"30 28 0:27 {root} /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,cpu,memory\n"
        )
        assert cgroup_mounts.own_v1(str(tmp_path), "memory") == directory
        assert cgroup_mounts.own_v1(str(tmp_path), "pids") is None
        assert cgroup_mounts.own_v2(str(tmp_path)) is None

    def test_no_such_proc(self, tmp_path: Path) -> None:
        assert cgroups.find(proc=str(tmp_path)) == cgroups.NO_CONTROLLERS
