"""What the keeper measures of its job while it runs, and when that is too much."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from node3nb.supervisor import disk, hidden, memory, proc, tree
from node3nb.supervisor.kernel.cgroups import Group
from node3nb.supervisor.orders import Order, Ordered
from node3nb.supervisor.processes import Process

#: Seconds between two measurements of the tree: far from its limit of memory, and close to it.
TREE_S, NEAR_S = (0.05, 0.004) if tree.HAS_PROC else (0.25, 0.25)
#: Bytes that one core fills in a second: twice what was measured in pages of 4 KiB.
FILLED_BYTES_S = 4 << 30
#: Far from its limit, measuring the tree takes one part in so many of the time at the most; half
#: of it close to the limit.
TREE_SHARE = 5
#: Seconds between the end of one survey of the disk and the next.
DISK_S = 0.25
#: What the processes hide is looked for so often, in seconds, and for one part of the time;
#: at each measurement while something is hidden, or once they have mapped so many bytes more.
HIDDEN_S = 0.25
HIDDEN_SHARE = 10
MAPPED_BYTES = 4 << 20
#: Seconds that a survey of the disk may take between two measurements of the tree.
DISK_SLICE_S = 0.005


@dataclass(frozen=True, slots=True)
class Cause:
    """Why the job has to end."""

    #: A word of `node3nb.jobs.ExitReason`.
    reason: str
    #: One sentence with the limit and the value measured.
    message: str


class Watch:
    """Measures one job's tree and disk, and remembers the peaks.

    Parameters
    ----------
    order
        The job and its limits.
    root
        Process below which the job's are.
    shm
        Where the job's own shared memory is seen from here; None when it has none.
    group
        Its control group; None for none.
    """

    def __init__(
        self, order: Order, root: int, shm: str | None = None, group: Group | None = None
    ) -> None:
        self._order = order
        self._root = root
        self._shm = shm
        self._group = group
        self._gauge = memory.MemoryGauge(order.memory_bytes)
        self._survey: disk.Survey | None = None
        self._hidden = hidden.Hidden()
        self._mapped_bytes = 0
        self._tree_due = self._hidden_due = self._hidden_soonest = self._disk_due = 0.0
        #: Largest memory of the tree so far, in bytes.
        self.peak_memory_bytes = 0
        #: Most processes at one time so far.
        self.peak_processes = 1
        #: Memory of the tree at the last measurement, in bytes.
        self.memory_bytes = 0
        #: CPU time of the processes alive at the last measurement, in seconds.
        self.cpu_s = 0.0

    def look_at(self, root: int, shm: str | None) -> None:
        """Look below another process: not every sandbox is there before its job."""
        self._root, self._shm = root, shm

    @property
    def pause_s(self) -> float:
        """Seconds that the next measurement may wait: close to its limit a job is not let alone."""
        if self._group is not None:
            return TREE_S
        room = self._order.memory_bytes - self.memory_bytes - self._hidden.memory_bytes
        return min(TREE_S, max(NEAR_S, room / FILLED_BYTES_S / self._order.cores))

    def check(self, now: float) -> Cause | None:
        """Measure what is due and return the first limit passed, if any."""
        cause = None
        if now >= self._tree_due:
            cause = self._check_tree(now)
            cost_s = time.monotonic() - now
            self._tree_due = now + cost_s + min(cost_s * TREE_SHARE, max(cost_s, self.pause_s))
        return cause or self._check_disk(time.monotonic())

    def _check_tree(self, now: float) -> Cause | None:
        processes = tree.descendants(self._root)
        self._look_for_hidden(processes, now)
        self.memory_bytes = self._held(processes, now)
        self.cpu_s = max(self.cpu_s, sum(process.cpu_s for process in processes))
        self.peak_memory_bytes = max(self.peak_memory_bytes, self.memory_bytes)
        self.peak_processes = max(self.peak_processes, len(processes))
        return (
            self.killed_for_memory() or self._too_much_memory() or self._too_many_tasks(processes)
        )

    def killed_for_memory(self) -> Cause | None:
        """Return the cause if the kernel has killed a process for the memory of its group."""
        if self._group is None or not self._group.oom_kills():
            return None
        self.peak_memory_bytes = max(self.peak_memory_bytes, self._order.memory_bytes)
        return out_of_memory(self.peak_memory_bytes, self._order)

    def _look_for_hidden(self, processes: list[Process], now: float) -> None:
        """Find what is hidden, when that is due."""
        if not tree.HAS_PROC:
            return
        if now < self._hidden_soonest:
            return
        mapped = sum(proc.mapped_bytes(process.pid) for process in processes)
        changes = self._hidden.memory_bytes or mapped > self._mapped_bytes + MAPPED_BYTES
        if not changes and now < self._hidden_due:
            return
        self._hidden = hidden.measure(processes, self._shm)
        self._mapped_bytes = mapped
        self._hidden_soonest = now + (time.monotonic() - now) * HIDDEN_SHARE
        self._hidden_due = max(now + HIDDEN_S, self._hidden_soonest)

    def _held(self, processes: list[Process], now: float) -> int:
        """Return the tree's memory: the kernel's own count where it keeps one."""
        if self._group is not None:
            return self._group.memory_bytes()
        held, most = self._gauge.estimate(processes, now), self._order.memory_bytes
        if held > most:
            held = self._confirm(now)
        if self._hidden.memory_bytes and held + self._hidden.memory_bytes > most:
            held = max(held, memory.with_hidden(processes, self._hidden.memory_bytes))
        return held

    def _confirm(self, now: float) -> int:
        """Return the exact figure of a tree that seems to be over its limit.

        It is held still until that is sure, and for good when it is: it does not go on meanwhile.
        """
        if not tree.HAS_PROC:
            return self._gauge.confirm(tree.descendants(self._root), now)
        processes, held_still = tree.stop_below(self._root)
        held = self._gauge.confirm(processes, now)
        if held <= self._order.memory_bytes:
            tree.go_on(held_still)
        return held

    def _too_much_memory(self) -> Cause | None:
        if self.memory_bytes <= self._order.memory_bytes:
            return None
        return out_of_memory(self.memory_bytes, self._order)

    def _too_many_tasks(self, processes: list[Process]) -> Cause | None:
        tasks = sum(process.threads for process in processes)
        if tasks <= self._order.processes:
            return None
        most = self._order.processes
        return Cause("signaled", f"The job had {tasks} processes and threads; its limit is {most}.")

    def _check_disk(self, now: float) -> Cause | None:
        """Go on with the survey of the disk, or begin the next when its time has come."""
        if self._survey is None:
            if now < self._disk_due:
                return None
            self._survey = self._new_survey()
        done = self._survey.advance(now + DISK_SLICE_S)
        seen = self._survey.so_far
        if done:
            self._survey = None
            self._disk_due = time.monotonic() + DISK_S
        written = replace(seen, bytes=seen.bytes + self._hidden.disk_bytes)
        return over_disk(written, self._order)

    def _new_survey(self) -> disk.Survey:
        return disk.Survey(self._order.writable, self._order.disk_files)


def could_not_watch(error: Exception) -> Cause:
    """Return the cause for a job whose keeper met an error of its own."""
    told = str(error) or type(error).__name__
    return Cause("internal", f"The job could not be watched: {told}.")


def out_of_memory(measured: int, order: Ordered) -> Cause:
    """Return the cause for a tree that needed `measured` bytes."""
    return Cause(
        "out_of_memory",
        f"The job needed {size(measured)} of memory; its limit is {size(order.memory_bytes)}.",
    )


def over_disk(written: disk.Written, order: Ordered) -> Cause | None:
    """Return the cause for a job that has written more than it may, if it has."""
    if written.too_deep:
        fault = f"nested directories deeper than {disk.MAX_DEPTH}"
        return Cause("disk_limit", f"The job {fault}, which is the limit.")
    if written.files > order.disk_files:
        limit = f"its limit is {order.disk_files}"
        return Cause("disk_limit", f"The job made {written.files} files or more; {limit}.")
    if written.bytes > order.disk_bytes:
        limit = f"its limit is {size(order.disk_bytes)}"
        return Cause("disk_limit", f"The job wrote {size(written.bytes)} to disk; {limit}.")
    return None


def size(count: int) -> str:
    """Return a number of bytes as a person reads it."""
    value = float(count)
    for unit in ("bytes", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.4g} {unit}"
        value /= 1024
    return f"{value:.4g} GiB"
