"""How much memory a tree of processes needs, with what they share counted once."""

from __future__ import annotations

import time

from node3nb.supervisor import linux, proc
from node3nb.supervisor.processes import Process

#: Exact measurements of a tree within its limit: seconds between two at the least, and one part
#: of the time at the most.
EXACT_S = 1.0
EXACT_SHARE = 20


class MemoryGauge:
    """Measures one tree again and again, exactly only where it matters.

    Resident memory is cheap to read, but a page shared by many processes counts for each.  So
    the exact figure is taken when the cheap one passes the limit; from then on, what is added
    to resident memory is taken for unshared until the exact figure is taken again.

    Parameters
    ----------
    limit
        Bytes above which only the exact figure counts.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._exact = self._lowest = 0
        self._due: float | None = None

    def estimate(self, processes: list[Process], now: float) -> int:
        """Return the tree's memory in bytes: never less than it is, as far as can be seen.

        Only what is above the limit needs to be confirmed, by `confirm`.
        """
        resident = sum(process.memory_bytes for process in processes)
        self._lowest = min(self._lowest, resident)
        most = min(self._exact + resident - self._lowest, resident)
        if self._due is None:
            self._due = now + EXACT_S
        if most <= self._limit and len(processes) > 1 and now >= self._due:
            most = self.confirm(processes, now)
        return most

    def confirm(self, processes: list[Process], now: float) -> int:
        """Return the exact figure; taken a second time if it is too large.

        The figures of the processes are of slightly different moments: what one has just let go
        of, another is charged for.
        """
        resident = sum(process.memory_bytes for process in processes)
        self._exact = min(proportional_bytes(processes), resident)
        if self._exact > self._limit:
            self._exact = min(self._exact, proportional_bytes(processes))
        self._lowest = resident
        self._due = now + max(EXACT_S, (time.monotonic() - now) * EXACT_SHARE)
        return self._exact


def proportional_bytes(processes: list[Process]) -> int:
    """Return the memory of the processes with every shared page counted once between them.

    A process in the address space of its parent (vfork(2)) adds nothing.  Where the kernel does
    not tell shares, resident memory stands in.
    """
    pids = {process.pid for process in processes}
    return sum(
        _share(process)
        for process in processes
        if process.parent not in pids or not linux.share_memory(process.pid, process.parent)
    )


def _share(process: Process) -> int:
    """Return a process's share of memory; nothing if it has ended meanwhile."""
    share = proc.proportional_bytes(process.pid)
    if share is None and proc.MOUNTED:
        there = proc.look(process.pid)
        return there.memory_bytes if there else 0
    return process.memory_bytes if share is None else share


def with_hidden(processes: list[Process], hidden_bytes: int) -> int:
    """Return the memory of the processes and what they hide, what is in both counted once.

    Where the kernel does not tell how much shared memory is resident, what is hidden is left out.
    """
    shared = [proc.proportional_bytes(process.pid, b"Pss_Shmem") for process in processes]
    if all(size is None for size in shared):
        return proportional_bytes(processes)
    resident = sum(size for size in shared if size)
    return proportional_bytes(processes) + max(0, hidden_bytes - resident)
