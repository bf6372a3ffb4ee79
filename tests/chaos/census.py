"""What there is of a provider and its marketplace at one moment, counted by kind of process."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil
from chaos.hosts import Host

#: A figure by its name: the kind of process, a dot, and what is counted of it.
Figures = dict[str, float]
#: Fields of /proc/PID/status (proc_pid_status(5)) that are memory of the process itself, in KiB.
#: A page that it shares with a process it was forked from is counted, so that it makes no
#: difference when one of the two writes on it: that happens to all of them in time, once.
_OWN = ("RssAnon", "RssShmem", "VmSwap")
#: Kinds that are one process for as long as their provider lives.
LASTING = ("kernel", "guard", "supervisor", "market")


def count(host: Host, market: int, home: Path) -> Figures:
    """Return all figures.

    Parameters
    ----------
    host
        The provider.
    market
        Process id of the marketplace.
    home
        Directory of the provider's state and its jobs.
    """
    kinds = _kinds(host)
    figures: Figures = {}
    for kind in LASTING:
        figures |= _of_one(kind, psutil.Process(market) if kind == "market" else kinds[kind][0])
    for kind in ("warm", "keeper"):
        figures |= _of_some(kind, kinds[kind])
    figures["kernel.blocks"] = host.live_blocks()
    figures["files"] = sum(len(below) + len(files) for _, below, files in os.walk(home))
    return figures


def _kinds(host: Host) -> dict[str, list[psutil.Process]]:
    """Return what a provider consists of, by its kind."""
    kernel, below = host.processes()
    kinds: dict[str, list[psutil.Process]] = {"kernel": [kernel], "warm": [], "keeper": []}
    kinds["guard"] = [each for each in below if _parent(each) == kernel.pid]
    guards = {each.pid for each in kinds["guard"]}
    kinds["supervisor"] = [each for each in below if _parent(each) in guards]
    for process in below:
        if process not in kinds["guard"] + kinds["supervisor"]:
            kinds["warm" if _leads(process) else "keeper"].append(process)
    return kinds


def _of_one(kind: str, process: psutil.Process) -> Figures:
    return {
        f"{kind}.fds": process.num_fds(),
        f"{kind}.threads": process.num_threads(),
        f"{kind}.kib": _own_kib(process),
    }


def _of_some(kind: str, processes: list[psutil.Process]) -> Figures:
    """Return how many there are, and the most that any of them has."""
    living = list(_living(kind, processes))
    names = [f"{kind}.{what}" for what in ("fds", "threads", "kib")]
    most = {name: max((each[name] for each in living), default=0) for name in names}
    return {f"{kind}.number": len(living), **most}


def _living(kind: str, processes: Iterable[psutil.Process]) -> Iterator[Figures]:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
            yield _of_one(kind, process)


def _own_kib(process: psutil.Process) -> int:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return sum(int(fields[name].split()[0]) for name in _OWN if name in fields)


def _parent(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.NoSuchProcess):
        return int(process.ppid())
    return 0


def _leads(process: psutil.Process) -> bool:
    """Whether it has a session of its own, as the warm Python has and what it forks has not."""
    with contextlib.suppress(ProcessLookupError):
        return os.getsid(process.pid) == process.pid
    return False
