"""Processes as ps(1) shows them, where there is no /proc; ps(1) is on every POSIX system.

A kernel without /proc adopts no orphans for us either: a process whose parent has ended hangs
from init, out of sight.  So every process group seen in a job is remembered, and who is in it
later belongs to the job.  What can't be seen: a daemon that has left its parent *and* its
group between two looks, with all that it starts.
"""

from __future__ import annotations

import os

from node3nb.supervisor.processes import Process, below


class _Memory:
    """The process groups of one job seen so far by this process."""

    def __init__(self) -> None:
        self.groups: set[int] = set()
        self.learns = False


_memory = _Memory()


def begin(*groups: int, learns: bool) -> None:
    """Forget every group but these; `learns` is whether those seen from now on are kept too."""
    _memory.groups = set(groups)
    _memory.learns = learns


def descendants(root: int) -> list[Process]:
    """Return every living process below `root` or in a group seen there, root's own excepted.

    A group nobody is in any more is forgotten: its number may come back as a stranger's.
    """
    processes, groups = _ask()
    _memory.groups.intersection_update(groups.values())
    members = [pid for pid, group in groups.items() if group in _memory.groups]
    found = {process.pid: process for process in below([root, *members], processes)}
    found |= {process.pid: process for process in processes if process.pid in members}
    found.pop(root, None)
    if _memory.learns:
        _memory.groups |= {groups[pid] for pid in found} - {os.getpgrp()}
    return list(found.values())


def _ask() -> tuple[list[Process], dict[int, int]]:
    """Return every living process, and the group of each; ps(1) itself is left out.

    It tells no threads, so each process counts as one, and its formats of CPU time differ
    between systems, so none is told.
    """
    columns = ["-o", "pid=", "-o", "ppid=", "-o", "pgid=", "-o", "rss=", "-o", "stat="]
    import subprocess  # noqa: PLC0415 - it brings threads into every fork, and Linux needs it not

    with subprocess.Popen(
        ["/bin/ps", "-A", *columns], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as asked:
        answer = asked.communicate()[0]
    processes, groups = [], {}
    for pid, parent, group, kib, state in (line.split()[:5] for line in answer.splitlines()):
        if int(pid) != asked.pid and not state.startswith(b"Z"):
            processes.append(Process(int(pid), int(parent), 1, int(kib) << 10, 0.0))
            groups[int(pid)] = int(group)
    return processes, groups
