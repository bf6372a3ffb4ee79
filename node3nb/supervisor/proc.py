"""Processes as Linux shows them in /proc."""

from __future__ import annotations

import os
from pathlib import Path

from node3nb.supervisor.processes import Process, below

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
#: Whether there is such a /proc here, and whether it lists the children of a thread.
MOUNTED = Path("/proc/self/task").is_dir()
LISTS_CHILDREN = Path(f"/proc/self/task/{os.getpid()}/children").exists()
#: Fields of /proc/PID/stat behind the command name (proc(5)), counted from the state.
_STATE, _PPID, _THREADS, _RSS = 0, 1, 17, 21
#: utime, stime, cutime and cstime: the last two are of children already waited for.
_CPU = slice(11, 15)
#: States of a thread that has ended.
_ENDED = frozenset({b"Z", b"X"})
#: State of one that a signal has stopped.
_STOPPED = b"T"
#: Fields of /proc/PID/statm, in pages: all that is mapped, and what of it is private to write.
_MAPPED, _DATA = 0, 5


def descendants(root: int, *, thorough: bool = False) -> list[Process]:
    """Return every living process below `root`, parents before their children.

    Parameters
    ----------
    root
        Process id; it is not in the answer itself.
    thorough
        Look at every process of the machine instead of walking down from `root`: slower, but
        the kernel's lists of children may miss some that end or move while they are read
        (proc_pid_task(5)).
    """
    if thorough or not LISTS_CHILDREN:
        return below([root], everybody())
    found: list[Process] = []
    queue = [root]
    while queue:
        for pid in children(queue.pop(0)):
            process = look(pid)
            if process is not None:
                found.append(process)
                queue.append(pid)
    return found


def everybody() -> list[Process]:
    """Return every living process of the machine."""
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return [process for process in map(look, pids) if process is not None]


def look(pid: int) -> Process | None:
    """Return the process, or None when it is gone or only waits to be reaped.

    A process whose first thread has ended while others run is shown as a zombie without
    memory; it lives, and its memory is that of any other of its threads.
    """
    fields = _stat(pid)
    if fields is None:
        return None
    threads = int(fields[_THREADS])
    if fields[_STATE] in _ENDED:
        if threads < 2:
            return None
        fields = _living_thread(pid) or fields
    return Process(
        pid=pid,
        parent=int(fields[_PPID]),
        threads=threads,
        memory_bytes=int(fields[_RSS]) * PAGE_BYTES,
        cpu_s=sum(map(int, fields[_CPU])) / TICKS_A_SECOND,
        stopped=fields[_STATE] == _STOPPED,
    )


def _stat(task: int) -> list[bytes] | None:
    try:
        return read(f"/proc/{task}/stat").rpartition(b")")[2].split()
    except OSError:
        return None


def _living_thread(pid: int) -> list[bytes] | None:
    for thread in _threads(pid):
        fields = _stat(thread)
        if fields is not None and fields[_STATE] not in _ENDED:
            return fields
    return None


def _threads(pid: int) -> list[int]:
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []


def children(pid: int) -> list[int]:
    """Return the children of every thread of `pid`."""
    children: list[int] = []
    for thread in _threads(pid):
        try:
            children += map(int, read(f"/proc/{pid}/task/{thread}/children").split())
        except OSError:
            continue
    return children


def proportional_bytes(pid: int, part: bytes = b"Pss") -> int | None:
    """Return the memory of a process with each page divided by the number of its users.

    Parameters
    ----------
    pid
        The process.
    part
        All of it, or a part as the kernel names it, such as `Pss_Shmem` (Linux 5.9).

    Returns
    -------
    int or None
        Bytes; None when the process is gone or the kernel does not tell (before Linux 4.14).
    """
    try:
        rollup = read(f"/proc/{pid}/smaps_rollup")
    except OSError:
        return None
    for line in rollup.splitlines():
        if line.startswith(part + b":"):
            return int(line.split()[1]) << 10
    return None


def mapped_bytes(pid: int) -> int:
    """Return the addresses a process has mapped beside its own data; 0 if it is gone."""
    try:
        fields = read(f"/proc/{pid}/statm").split()
    except OSError:
        return 0
    return (int(fields[_MAPPED]) - int(fields[_DATA])) * PAGE_BYTES


def read(path: str) -> bytes:
    """Return all that a file of /proc says."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        text = piece = os.read(fd, 1 << 16)
        while piece:
            piece = os.read(fd, 1 << 16)
            text += piece
    finally:
        os.close(fd)
    return text
