"""What a container uses: from its control group where it can be seen, else as the engine says."""

from __future__ import annotations

import errno
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from node3nb.supervisor import hidden, proc
from node3nb.supervisor.containers.engine_api import EngineAPI, EngineGone, EngineRefusal
from node3nb.supervisor.containers.hardened import TMP
from node3nb.supervisor.kernel import cgroup_mounts

#: Longest silence of the engine between two statistics, in seconds.
SILENCE_S = 30.0
#: What the kernel answers about a group, or its last process, that is gone.
_GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.ESRCH})


class Meter(ABC):
    """Measures one container and remembers the peaks.

    Parameters
    ----------
    own_processes
        Processes in it that are not the job's: the engine's first one.
    """

    def __init__(self, own_processes: int) -> None:
        self._own_processes = own_processes
        self._cpu_before_s = 0.0
        self._closed = False
        #: Memory at the last measurement, in bytes; cached pages of files are not counted.
        self.memory_bytes = 0
        #: Largest memory so far, in bytes.
        self.peak_memory_bytes = 0
        #: CPU time so far, in seconds.
        self.cpu_s = 0.0
        #: Most processes at one time so far; an engine's statistics count threads too.
        self.peak_processes = 1
        #: Bytes read from and written to devices so far.
        self.read_bytes = self.written_bytes = 0

    @abstractmethod
    def sample(self) -> None:
        """Measure now."""

    def begin(self) -> None:
        """Count from now on: what a container used while it waited is not its job's."""
        self.sample()
        self._cpu_before_s, self.cpu_s = self._cpu_before_s + self.cpu_s, 0.0
        self.peak_memory_bytes, self.peak_processes = 0, 1

    def hidden_disk_bytes(self) -> int:
        """Return what removed files take that are held open; 0 where that can't be seen."""
        return 0

    def close(self) -> None:
        """Measure no more."""
        self._closed = True

    def _note(self, memory_bytes: int, cpu_s: float, processes: int) -> None:
        self.memory_bytes = memory_bytes
        self.peak_memory_bytes = max(self.peak_memory_bytes, memory_bytes)
        self.cpu_s = max(self.cpu_s, cpu_s - self._cpu_before_s)
        self.peak_processes = max(self.peak_processes, processes - self._own_processes)


class GroupMeter(Meter):
    """Reads the files of the container's control group, as often as it is asked."""

    def __init__(self, own_processes: int, pid: int, directories: Mapping[str, str]) -> None:
        super().__init__(own_processes)
        self._pid = pid
        self._at = directories

    def sample(self) -> None:
        """Measure now; a group that is gone leaves what was seen of it."""
        try:
            memory = self._number("memory", "memory.current", "memory.usage_in_bytes")
            cached = self._field("memory", "memory.stat", "inactive_file", "total_inactive_file")
            processes = len(self._processes())
            cpu_s = self._cpu()
            self._count_io()
        except (OSError, ValueError):
            return
        self._note(max(0, memory - cached), cpu_s, processes)

    def hidden_disk_bytes(self) -> int:
        """Return what removed files take that are held open, but for those in /tmp's memory.

        Raises
        ------
        OSError
            It can't be seen, and the group is there: a limit that nobody can keep.
        """
        try:
            found = [proc.look(int(pid)) for pid in self._processes()]
        except OSError as error:
            if error.errno in _GONE:
                return 0
            raise
        living = [process for process in found if process is not None]
        return hidden.measure(living, f"/proc/{self._pid}/root{TMP}").disk_bytes

    def _processes(self) -> list[str]:
        return _lines(f"{self._at['pids']}/cgroup.procs")

    def _cpu(self) -> float:
        """Return the time used, in seconds: version 1 counts nanoseconds, 2 microseconds."""
        if os.path.exists(f"{self._at['cpuacct']}/cpuacct.usage"):
            return self._number("cpuacct", "cpuacct.usage") / 1e9
        return self._field("cpuacct", "cpu.stat", "usage_usec") / 1e6

    def _count_io(self) -> None:
        """Add up every device; a kernel that does not count leaves nothing to add."""
        path = f"{self._at['blkio']}/blkio.throttle.io_service_bytes_recursive"
        if os.path.exists(path):
            words = [line.split() for line in _lines(path)]
            told = [(line[1], int(line[2])) for line in words if len(line) == 3]
            self.read_bytes = sum(count for kind, count in told if kind == "Read")
            self.written_bytes = sum(count for kind, count in told if kind == "Write")
            return
        path = f"{self._at['blkio']}/io.stat"
        pairs = [pair.split("=") for line in _lines(path) for pair in line.split()[1:]]
        self.read_bytes = sum(int(count) for name, count in pairs if name == "rbytes")
        self.written_bytes = sum(int(count) for name, count in pairs if name == "wbytes")

    def _number(self, controller: str, *names: str) -> int:
        directory = self._at[controller]
        there = (name for name in names if os.path.exists(f"{directory}/{name}"))
        name = next(there, names[0])
        return int(_lines(f"{directory}/{name}")[0])

    def _field(self, controller: str, name: str, *keys: str) -> int:
        fields = dict(line.split(" ", 1) for line in _lines(f"{self._at[controller]}/{name}"))
        return next((int(fields[key]) for key in reversed(keys) if key in fields), 0)


class EngineMeter(Meter):
    """Listens to the engine's statistics, which come once a second."""

    def __init__(self, own_processes: int, api: EngineAPI, container: str) -> None:
        super().__init__(own_processes)
        self._latest: dict[str, Any] = {}
        listen = threading.Thread(target=self._listen, args=(api, container), daemon=True)
        listen.start()

    def sample(self) -> None:
        """Take the newest statistics into account."""
        told = self._latest
        memory = told.get("memory_stats") or {}
        cached = (memory.get("stats") or {}).get("total_inactive_file")
        if cached is None:
            cached = (memory.get("stats") or {}).get("inactive_file", 0)
        cpu = (told.get("cpu_stats") or {}).get("cpu_usage") or {}
        tasks = (told.get("pids_stats") or {}).get("current") or 0
        used = max(0, memory.get("usage", 0) - cached)
        self._note(used, cpu.get("total_usage", 0) / 1e9, tasks)
        self._count_io((told.get("blkio_stats") or {}).get("io_service_bytes_recursive") or [])

    def _count_io(self, entries: list[dict[str, Any]]) -> None:
        totals = {"read": 0, "write": 0}
        for entry in entries:
            kind = str(entry.get("op", "")).lower()
            totals[kind] = totals.get(kind, 0) + int(entry.get("value", 0))
        self.read_bytes, self.written_bytes = totals["read"], totals["write"]

    def _listen(self, api: EngineAPI, container: str) -> None:
        try:
            path = f"/containers/{container}/stats"
            for told in api.stream("GET", path, timeout_s=SILENCE_S, stream=1):
                if (told.get("pids_stats") or {}).get("current"):
                    self._latest = told
                if self._closed:
                    return
        except (EngineGone, EngineRefusal):
            return


def meter(
    api: EngineAPI, container: str, pid: int, own_processes: int, *, same_kernel: bool
) -> Meter:
    """Return what measures a running container best.

    Parameters
    ----------
    container
        Its name.
    pid
        Its first process, as the engine's kernel numbers it.
    own_processes
        Processes in it that are not the job's.
    same_kernel
        Whether that kernel is ours.
    """
    found: dict[str, str] = {}
    if same_kernel and pid and os.path.isdir(f"/proc/{pid}"):
        names = ("memory", "cpuacct", "pids", "blkio")
        seen = {name: cgroup_mounts.of_process(pid, name) for name in names}
        found = {name: path for name, path in seen.items() if path and os.path.isdir(path)}
    if len(found) == 4 and _is_its_own(pid, found["pids"]):
        return GroupMeter(own_processes, pid, found)
    return EngineMeter(own_processes, api, container)


def _is_its_own(pid: int, group: str) -> bool:
    """Whether that process lives in a group which is not ours: then that is the container's.

    One that has just ended is shown in the group at the root of all until it is reaped.
    """
    try:
        lives = str(pid) in _lines(f"{group}/cgroup.procs")
        return lives and _lines(f"/proc/{pid}/cgroup") != _lines("/proc/self/cgroup")
    except OSError:
        return False


def _lines(path: str) -> list[str]:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read().splitlines()
