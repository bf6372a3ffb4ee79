"""Limits the kernel keeps for each process of a job."""

from __future__ import annotations

import contextlib
import os
import resource

from node3nb.supervisor import marks
from node3nb.supervisor.orders import Grant, Order

#: Room above the memory limit before the kernel refuses an allocation, at least and as one part
#: of the limit: the watch that measures the whole tree comes first, and can say why.
DATA_SLACK_BYTES = 64 << 20
DATA_SLACK_PART = 4
#: Room above the disk limit for one file, so that reaching it is seen as passing the limit.
FILE_SLACK_BYTES = 1 << 16
#: Descriptors a job may hold open.
OPEN_FILES = 1024
#: 1, not 0: a piped core handler ignores 0 (core(5)).
CORE_BYTES = 1
#: Room for the tasks the owner starts while a job runs.
OWNER_TASKS = 512


def of(order: Order, grant: Grant, *, own_user: bool = False) -> dict[int, int]:
    """Return the limits of a job's processes.

    Parameters
    ----------
    order
        The job.
    grant
        What else it is given.
    own_user
        Whether its user has no process beside it; else RLIMIT_NPROC counts the owner's tasks too.
    """
    others = 0 if own_user else grant.owner_tasks + OWNER_TASKS
    data = order.memory_bytes + max(DATA_SLACK_BYTES, order.memory_bytes // DATA_SLACK_PART)
    mark = {} if marks.LIMIT is None or not grant.mark else {marks.LIMIT: grant.mark}
    return {
        **mark,
        resource.RLIMIT_CORE: CORE_BYTES,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_FSIZE: order.disk_bytes + FILE_SLACK_BYTES,
        resource.RLIMIT_DATA: data,
        resource.RLIMIT_NPROC: order.processes + others,
    }


def apply(limits: dict[int, int]) -> None:
    """Limit this process, and all it starts."""
    for which, wanted in limits.items():
        _, hard = resource.getrlimit(which)
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(which, (limit, limit))


def die_first() -> None:
    """Have the kernel end this process before others when the machine runs out of memory."""
    with contextlib.suppress(OSError):
        first_to_die = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
        os.write(first_to_die, b"1000")
        os.close(first_to_die)


def give_way(cores: tuple[int, ...]) -> None:
    """Let this process take only the cores granted, and only when nobody else wants them."""
    if hasattr(os, "sched_setaffinity") and cores:
        os.sched_setaffinity(0, cores)
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    else:
        os.setpriority(os.PRIO_PROCESS, 0, 19)


def tasks_of_user() -> int:
    """Return how many processes and threads the user has.

    0 where the kernel does not tell, and for root, whose tasks it does not limit (getrlimit(2)).
    """
    total = 0
    if not os.getuid():
        return total
    for entry in os.scandir("/proc") if os.path.isdir("/proc/self/task") else ():
        try:
            if entry.name.isdigit() and entry.stat().st_uid == os.getuid():
                total += len(os.listdir(entry.path + "/task"))
        except OSError:
            continue
    return total
