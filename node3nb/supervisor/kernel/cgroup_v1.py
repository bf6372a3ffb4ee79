"""Control groups of version 1: a hierarchy for each controller (cgroup-v1/memory, cgroup-v1/pids).

Files are those of the kernel's Documentation/admin-guide/cgroup-v1.
"""

from __future__ import annotations

import contextlib

from node3nb.supervisor.kernel.cgroup import Group, read, table, write

#: The controllers a group needs, in the order of its directories.
CONTROLLERS = ("memory", "pids")
#: More than the kernel asks for at once before it kills: it was refused that much or less.
CHARGE_BYTES = 1 << 20


class GroupV1(Group):
    """A group in the hierarchies of `memory` and `pids`."""

    @property
    def _memory(self) -> str:
        return self.directories[0]

    @property
    def _pids(self) -> str:
        return self.directories[1]

    def limit(self, memory_bytes: int, processes: int) -> None:
        """Limit memory, together with swap where the kernel counts it, and processes."""
        write(self._memory, "memory.limit_in_bytes", memory_bytes)
        with contextlib.suppress(FileNotFoundError):
            write(self._memory, "memory.memsw.limit_in_bytes", memory_bytes)
        write(self._pids, "pids.max", processes)

    def limits(self) -> tuple[int, int]:
        """Return both limits."""
        return self._bytes("memory.limit_in_bytes"), int(read(self._pids, "pids.max"))

    def oom_kills(self) -> int:
        """Return how many processes were killed; none if the limit was never reached.

        The kernel counts here, too, whom it killed because the whole machine ran out of memory.
        """
        kills = table(self._memory, "memory.oom_control").get("oom_kill", 0)
        return kills if kills and self._was_full() else 0

    def _was_full(self) -> bool:
        """Return whether it has ever held all it may; `failcnt` stays 0 on Linux 6.18."""
        for counter in ("memory", "memory.memsw"):
            with contextlib.suppress(FileNotFoundError):
                most = self._bytes(f"{counter}.max_usage_in_bytes")
                if most + CHARGE_BYTES > self._bytes(f"{counter}.limit_in_bytes"):
                    return True
        return False

    def _bytes(self, name: str) -> int:
        return int(read(self._memory, name))

    def memory_bytes(self) -> int:
        """Return the memory it holds now."""
        held = table(self._memory, "memory.stat")
        return sum(held.get(name, 0) for name in ("total_rss", "total_shmem", "total_swap"))
