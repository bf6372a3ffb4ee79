"""A mark on every process of a job, by which the next supervisor knows what was left behind.

It is a resource limit, since all that a job starts inherits it and the filter of system calls
keeps jobs from changing it: that on a real-time process's share of the CPU (RLIMIT_RTTIME,
getrlimit(2)), which means nothing to a job, as it can't become one.  Its value says which
supervisor the job was of.
"""

from __future__ import annotations

import os
import resource
import signal
import time

from node3nb.supervisor import proc

#: The limit, and its name in /proc/PID/limits; None on systems without it.
LIMIT = getattr(resource, "RLIMIT_RTTIME", None)
_NAME = b"Max realtime timeout"
#: What tells a mark from a limit that means what it says, and where the parts of its value are:
#: a process id takes at most 22 bits (proc_sys_kernel(5), pid_max).
_FLAG = 1 << 62
_PID_BITS = 22
#: Field of /proc/PID/stat behind the command name (proc(5)): the start, in ticks since boot.
_START = 19
#: Seconds that those left behind get to be gone, and between two looks.
PATIENCE_S, PAUSE_S = 2.0, 0.005


def of(supervisor: int) -> int:
    """Return the mark of a supervisor's jobs; 0 where there are no marks."""
    start = _started(supervisor)
    return 0 if start is None else _FLAG | start << _PID_BITS | supervisor


def sweep() -> list[int]:
    """Kill what is left of jobs whose supervisor is gone.

    Only processes of our own user are looked at (root's are everybody's), and only those of our
    own process namespace: in another the numbers mean other processes.

    Returns
    -------
    list
        Those that were killed.
    """
    swept: set[int] = set()
    until = time.monotonic() + PATIENCE_S
    while (left := _left_behind()) and time.monotonic() < until:
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in left:
                _signal(pid, number)
        swept.update(left)
        time.sleep(PAUSE_S)
    return sorted(swept)


def _left_behind() -> list[int]:
    if LIMIT is None or not proc.MOUNTED:
        return []
    marked = ((process.pid, _mark(process.pid)) for process in proc.everybody())
    return [pid for pid, mark in marked if mark and not _lives(mark)]


def _mark(pid: int) -> int:
    """Return a process's mark; 0 if it has none, or is none of our business."""
    try:
        if not _is_ours(proc.read(f"/proc/{pid}/status")):
            return 0
        lines = proc.read(f"/proc/{pid}/limits").splitlines()
    except OSError:
        return 0
    line = next((line for line in lines if line.startswith(_NAME)), _NAME)
    value = line[len(_NAME) :].split()[:1]
    number = int(value[0]) if value and value[0].isdigit() else 0
    return number if number & _FLAG else 0


def _is_ours(status: bytes) -> bool:
    fields = dict(line.split(b":", 1) for line in status.splitlines())
    users = set(map(int, fields[b"Uid"].split()))
    alone = len(fields.get(b"NSpid", b"").split()) == 1
    return alone and (not os.geteuid() or users == {os.geteuid()})


def _lives(mark: int) -> bool:
    """Return whether the supervisor of a mark still runs."""
    supervisor = mark & ((1 << _PID_BITS) - 1)
    return _started(supervisor) == (mark & ~_FLAG) >> _PID_BITS


def _started(pid: int) -> int | None:
    """Return when a process was started; None when it is gone or waits to be buried."""
    if LIMIT is None or not proc.MOUNTED or proc.look(pid) is None:
        return None
    try:
        return int(proc.read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[_START])
    except OSError:
        return None


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return
