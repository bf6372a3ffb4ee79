"""Control groups of version 2: one hierarchy for all controllers.

Files are those of the kernel's Documentation/admin-guide/cgroup-v2.rst.
"""

from __future__ import annotations

import contextlib
import sys

from node3nb.supervisor.kernel.cgroup import Group, read, table, write

#: The controllers a group needs.
CONTROLLERS = ("memory", "pids")
#: Which of them a group passes on to the groups below it.
PASSED_ON = "cgroup.subtree_control"
#: How the kernel says that there is no limit.
UNLIMITED = "max"


class GroupV2(Group):
    """A group in the one hierarchy."""

    @property
    def _directory(self) -> str:
        return self.directories[0]

    def limit(self, memory_bytes: int, processes: int) -> None:
        """Limit memory, allow no swap, have all killed together, and limit processes."""
        write(self._directory, "memory.max", memory_bytes)
        for name, value in (("memory.swap.max", 0), ("memory.oom.group", 1)):
            with contextlib.suppress(FileNotFoundError):  # no swap; before Linux 4.19
                write(self._directory, name, value)
        write(self._directory, "pids.max", processes)

    def limits(self) -> tuple[int, int]:
        """Return both limits."""
        memory, processes = (_limit(self._directory, f"{name}.max") for name in CONTROLLERS)
        return memory, processes

    def oom_kills(self) -> int:
        """Return how many processes were killed; none if the limit was never reached.

        The kernel counts here, too, whom it killed because the whole machine ran out of memory.
        """
        events = table(self._directory, "memory.events")
        return events.get("oom_kill", 0) if events.get("oom") else 0

    def memory_bytes(self) -> int:
        """Return the memory it holds now."""
        held = table(self._directory, "memory.stat")
        swapped = 0
        with contextlib.suppress(FileNotFoundError):
            swapped = int(read(self._directory, "memory.swap.current"))
        return held.get("anon", 0) + held.get("shmem", 0) + swapped

    def _kill(self, pids: set[int]) -> None:
        """Kill all at once, where the kernel can (Linux 5.14)."""
        try:
            write(self._directory, "cgroup.kill", 1)
        except FileNotFoundError:
            super()._kill(pids)

    def pass_on(self) -> None:
        """Let groups below this one have its controllers; it must have no process itself."""
        write(self._directory, PASSED_ON, " ".join(f"+{name}" for name in CONTROLLERS))


def passes_on(directory: str) -> bool:
    """Return whether groups made in this one have the controllers."""
    try:
        return set(CONTROLLERS) <= set(read(directory, PASSED_ON).split())
    except OSError:
        return False


def _limit(directory: str, name: str) -> int:
    text = read(directory, name).strip()
    return sys.maxsize if text == UNLIMITED else int(text)
