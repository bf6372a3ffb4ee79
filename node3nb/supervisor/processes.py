"""What is known of one process of a job, and how processes hang together."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Process:
    """One process of a tree, as it was a moment ago."""

    #: Its id.
    pid: int
    #: Its parent's id.
    parent: int
    #: Its threads.
    threads: int
    #: Its resident memory, in bytes; shared pages count for each process.
    memory_bytes: int
    #: CPU time of it and of its children that have ended, in seconds.
    cpu_s: float
    #: Whether it was stopped by a signal.
    stopped: bool = False


def below(roots: list[int], processes: list[Process]) -> list[Process]:
    """Return the processes that descend from `roots`, parents before their children."""
    by_parent: dict[int, list[Process]] = {}
    for process in processes:
        by_parent.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    queue = list(roots)
    while queue:
        children = by_parent.pop(queue.pop(0), [])
        found += children
        queue += [child.pid for child in children]
    return found
