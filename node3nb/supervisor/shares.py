"""What each job gets of the machine beside what its order says."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

from node3nb.supervisor import limits, marks
from node3nb.supervisor.kept import Kept
from node3nb.supervisor.orders import Grant, Order

#: Seconds for which a count of the user's processes is good enough.
OWNER_TASKS_S = 5.0


class Shares:
    """Deals out cores, and knows how much the owner has of what is limited by user."""

    def __init__(self) -> None:
        self._owner_tasks = (0.0, 0)
        self._mark = marks.of(os.getpid())

    def grant(self, order: Order, busy: Iterable[Kept]) -> Grant:
        """Return what a job gets beside those that run."""
        return Grant(_choose_cores(order.cores, busy), self._count_owner_tasks(), self._mark)

    def _count_owner_tasks(self) -> int:
        counted, tasks = self._owner_tasks
        if time.monotonic() - counted > OWNER_TASKS_S or not counted:
            tasks = limits.tasks_of_user()
            self._owner_tasks = (time.monotonic(), tasks)
        return tasks


def _choose_cores(count: int, busy: Iterable[Kept]) -> tuple[int, ...]:
    """Return the cores with the fewest of our jobs on them."""
    if not hasattr(os, "sched_getaffinity"):
        return ()
    taken = [core for kept in busy for core in kept.cores]
    cores = sorted(os.sched_getaffinity(0), key=lambda core: (taken.count(core), core))
    return tuple(cores[:count])
