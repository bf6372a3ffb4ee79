"""A directory tree that acts as control groups of version 2, and a /proc that shows it.

What it does is written in the kernel's Documentation/admin-guide/cgroup-v2.rst: a group comes with
its files, one with groups or processes in it can't be removed, one with processes passes no
controller on.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

#: What every group has besides its controllers' files.
CORE = {"cgroup.procs": "", "cgroup.subtree_control": "", "cgroup.events": "populated 0\n"}
CONTROLLED = {
    "memory.max": "max\n",
    "memory.swap.max": "max\n",
    "memory.swap.current": "0\n",
    "memory.oom.group": "0\n",
    "memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n",
    "memory.stat": "anon 0\nfile 0\nshmem 0\n",
    "pids.max": "max\n",
}


class PretendedCgroups:
    """A hierarchy in which this process is in the group `inside`."""

    def __init__(self, place: Path, inside: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.top = place / "cgroup"
        self.proc = place / "proc"
        self.own = self.top / inside
        self._mkdir, self._rmdir = os.mkdir, os.rmdir
        self.top.mkdir(parents=True)
        (self.proc / "self").mkdir(parents=True)
        for group in (*reversed(self.own.relative_to(self.top).parents), inside):
            self._fill(self.top / group)
        (self.own / "cgroup.procs").write_text(f"{os.getpid()}\n")
        self._describe(inside)
        monkeypatch.setattr(os, "mkdir", self.mkdir)
        monkeypatch.setattr(os, "rmdir", self.rmdir)

    def delegate(self, group: Path) -> None:
        """Have a group pass its controllers on."""
        (group / "cgroup.subtree_control").write_text("cpu memory pids\n")

    def show_process(self, pid: int, start: int) -> None:
        """Have a process be there, since a moment after the machine was started."""
        (self.proc / str(pid)).mkdir(exist_ok=True)
        fields = " ".join(["S", *["0"] * 18, str(start), "0"])
        (self.proc / str(pid) / "stat").write_text(f"{pid} (a) name) {fields}\n")

    def mkdir(self, path: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        """Make a directory, and its files if it is a group."""
        self._mkdir(path, mode, dir_fd=dir_fd)
        if dir_fd is None and Path(path).is_relative_to(self.top):
            self._fill(Path(path))

    def rmdir(self, path: str, *, dir_fd: int | None = None) -> None:
        """Remove a directory; a group with its files, if nothing is in it."""
        if dir_fd is None and Path(path).is_relative_to(self.top):
            self._empty(Path(path))
        self._rmdir(path, dir_fd=dir_fd)

    def _empty(self, group: Path) -> None:
        groups = group.exists() and any(entry.is_dir() for entry in group.iterdir())
        if groups or any(map(_lives, _processes(group))):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(group))
        for file in group.glob("*.*"):
            file.unlink()

    def _fill(self, group: Path) -> None:
        if not group.exists():
            self._mkdir(group)
        parent = group.parent / "cgroup.subtree_control"
        passed_on = parent.exists() and "memory" in parent.read_text()
        for name, text in (CORE | (CONTROLLED if passed_on else {})).items():
            (group / name).write_text(text)

    def _describe(self, inside: str) -> None:
        (self.proc / "self" / "cgroup").write_text(f"0::/{inside}\n")
        lines = (
            "24 23 0:22 / /proc rw,nosuid - proc proc rw\n",
            f"31 24 0:27 / {self.top} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
        )
        (self.proc / "self" / "mountinfo").write_text("".join(lines))
        with open("/proc/self/stat") as file:
            start = int(file.read().rpartition(")")[2].split()[19])
        self.show_process(os.getpid(), start)


def _processes(group: Path) -> list[int]:
    try:
        return [int(pid) for pid in (group / "cgroup.procs").read_text().split()]
    except OSError:
        return []


def _lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
