"""Which processes a job is made of, and how to end every one of them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
#: Rounds of freezing after which a tree that still forks is killed as it is.
FREEZE_ROUNDS = 20
#: Fields of /proc/PID/stat behind the command name (proc(5)), counted from the state.
_STATE, _PPID, _THREADS, _RSS = 0, 1, 17, 21
#: utime, stime, cutime and cstime: the last two are of children already waited for.
_CPU = slice(11, 15)


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


def descendants(root: int) -> list[Process]:
    """Return every living process below `root`, parents before their children."""
    return _below_by_proc(root) if HAS_PROC else _below_by_ps(root)


HAS_PROC = Path("/proc/self/task").is_dir()
HAS_CHILDREN = Path(f"/proc/self/task/{os.getpid()}/children").exists()


def _below_by_proc(root: int) -> list[Process]:
    if not HAS_CHILDREN:
        return _below(root, _all_by_proc())
    found: list[Process] = []
    queue = [root]
    while queue:
        for pid in _children(queue.pop(0)):
            process = _process_by_proc(pid)
            if process is not None:
                found.append(process)
                queue.append(pid)
    return found


def _children(pid: int) -> list[int]:
    """Return the children of every thread of `pid`; see proc_pid_task(5)."""
    children: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            children += map(int, _read(f"/proc/{pid}/task/{thread}/children").split())
    except OSError:
        pass
    return children


def _process_by_proc(pid: int) -> Process | None:
    """Return the process, or None when it is gone or only waits to be reaped."""
    try:
        fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    except OSError:
        return None
    if fields[_STATE] in {b"Z", b"X"}:
        return None
    return Process(
        pid=pid,
        parent=int(fields[_PPID]),
        threads=int(fields[_THREADS]),
        memory_bytes=int(fields[_RSS]) * PAGE_BYTES,
        cpu_s=sum(map(int, fields[_CPU])) / TICKS_A_SECOND,
    )


def _read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 1 << 16)
    finally:
        os.close(fd)


def _all_by_proc() -> list[Process]:
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return [process for process in map(_process_by_proc, pids) if process is not None]


def _below_by_ps(root: int) -> list[Process]:
    """Ask ps(1), which every POSIX system has; it knows no threads, so each counts as one."""
    asked = subprocess.run(
        ["/bin/ps", "-A", "-o", "pid=,ppid=,rss=,stat="],
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    lines = (line.split() for line in asked.stdout.splitlines())
    rows = [line for line in lines if len(line) == 4 and not line[3].startswith(b"Z")]
    return _below(root, [Process(int(p), int(pp), 1, int(kib) << 10, 0.0) for p, pp, kib, _ in rows])


def _below(root: int, processes: list[Process]) -> list[Process]:
    by_parent: dict[int, list[Process]] = {}
    for process in processes:
        by_parent.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    queue = [root]
    while queue:
        children = by_parent.get(queue.pop(0), [])
        found += children
        queue += [child.pid for child in children]
    return found


def proportional_bytes(processes: list[Process]) -> int:
    """Return the memory of the processes with every shared page counted once between them.

    Where the kernel does not tell (smaps_rollup, Linux 4.14), resident memory stands in.
    """
    return sum(_pss(process.pid) or process.memory_bytes for process in processes)


def _pss(pid: int) -> int | None:
    try:
        rollup = _read(f"/proc/{pid}/smaps_rollup")
    except OSError:
        return None
    for line in rollup.splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) << 10
    return None


def kill_below(root: int, spare: frozenset[int] = frozenset()) -> dict[int, int]:
    """Kill everything below `root` and wait until it is gone; `root` must adopt its orphans.

    The tree is frozen first, so that no process can fork while the others are being killed.

    Parameters
    ----------
    root
        The process whose descendants end; it stays.
    spare
        Processes that stay with all that hangs from them.

    Returns
    -------
    dict
        Wait status by pid of the caller's children that ended meanwhile.
    """
    ended: dict[int, int] = {}
    pause_s = 0.0005
    while victims := _victims(root, spare):
        _freeze(root, spare)
        for pid in _victims(root, spare) or victims:
            _signal(pid, signal.SIGKILL)
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, 0.02)
        ended |= reap()
    return ended


def _victims(root: int, spare: frozenset[int]) -> list[int]:
    kept = set(spare)
    victims = []
    for process in descendants(root):
        if process.parent in kept or process.pid in kept:
            kept.add(process.pid)
        else:
            victims.append(process.pid)
    return victims


def _freeze(root: int, spare: frozenset[int]) -> None:
    frozen: set[int] = set()
    for _ in range(FREEZE_ROUNDS):
        fresh = set(_victims(root, spare)) - frozen
        if not fresh:
            return
        for pid in fresh:
            _signal(pid, signal.SIGSTOP)
        frozen |= fresh


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def reap() -> dict[int, int]:
    """Collect the children that have ended: wait status by pid."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if not pid:
            return ended
        ended[pid] = status
