"""The supervisor: takes orders from the kernel, gives each job a keeper, ends all with the kernel."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from node3nb.supervisor import keeper, level, limits, linux, tree
from node3nb.supervisor.frames import Channel, Frame
from node3nb.supervisor.orders import Grant, Order
from node3nb.files.removal import remove_tree

#: Seconds the keepers get to kill their jobs before the supervisor kills what is left itself.
KEEPERS_S = 5.0
#: Seconds for which a count of the user's processes is good enough.
OWNER_TASKS_S = 5.0


@dataclass(frozen=True, slots=True)
class Kept:
    """A job that runs, seen from the supervisor."""

    #: What was ordered.
    order: Order
    #: What was granted.
    grant: Grant
    #: Process id of its keeper.
    pid: int
    #: The way to its keeper.
    channel: Channel


class Supervisor:
    """The one process that owns every native job of a provider."""

    def __init__(self, control: Channel) -> None:
        self._control = control
        self._selector = selectors.DefaultSelector()
        self._jobs: dict[str, Kept] = {}
        self._owner_tasks = (0.0, 0)
        self._orphaned = False

    def serve(self) -> None:
        """Run jobs until the kernel is gone, then end them all and remove what they wrote."""
        self._selector.register(self._control.fileno(), selectors.EVENT_READ, self._hear_kernel)
        self._watch_kernel()
        self._control.send({"event": "ready", "pid": os.getpid(), **level.probe()})
        while not self._orphaned:
            for key, _ in self._selector.select(0.02 if self._control.waiting else None):
                key.data()
            self._control.flush()
        self._end_all()

    def _watch_kernel(self) -> None:
        """Notice the kernel's death even while a process it forked still holds our socket."""
        if hasattr(os, "pidfd_open"):
            kernel = os.pidfd_open(os.getppid())
            self._selector.register(kernel, selectors.EVENT_READ, self._lose_kernel)

    def _lose_kernel(self) -> None:
        self._orphaned = True

    def _hear_kernel(self) -> None:
        frames = self._control.receive()
        if frames is None:
            self._lose_kernel()
        for frame in frames or []:
            self._obey(frame)

    def _obey(self, frame: Frame) -> None:
        if frame["op"] == "run":
            self._start(Order.from_frame(frame))
        elif kept := self._jobs.get(frame["job"]):
            kept.channel.send({"op": "cancel"})

    def _start(self, order: Order) -> None:
        ours, theirs = socket.socketpair()
        grant = Grant(self._choose_cores(order.cores), self._count_owner_tasks())
        pid = os.fork()
        if not pid:
            self._become_keeper(order, grant, theirs)
        theirs.close()
        channel = Channel(ours)
        self._jobs[order.job] = Kept(order, grant, pid, channel)
        self._selector.register(
            channel.fileno(), selectors.EVENT_READ, lambda: self._hear_keeper(order.job)
        )

    def _become_keeper(self, order: Order, grant: Grant, theirs: socket.socket) -> None:
        """Let go of every other channel, so that each one's end is noticed at once."""
        try:
            self._selector.close()
            self._control.close()
            for kept in self._jobs.values():
                kept.channel.close()
            keeper.keep(order, grant, Channel(theirs))
        finally:
            os._exit(1)

    def _choose_cores(self, count: int) -> tuple[int, ...]:
        """Return the cores with the fewest of our jobs on them."""
        if not hasattr(os, "sched_getaffinity"):
            return ()
        taken = [core for kept in self._jobs.values() for core in kept.grant.cores]
        cores = sorted(os.sched_getaffinity(0), key=lambda core: (taken.count(core), core))
        return tuple(cores[:count])

    def _count_owner_tasks(self) -> int:
        counted, tasks = self._owner_tasks
        if time.monotonic() - counted > OWNER_TASKS_S or not counted:
            tasks = limits.tasks_of_user()
            self._owner_tasks = (time.monotonic(), tasks)
        return tasks

    def _hear_keeper(self, job: str) -> None:
        kept = self._jobs[job]
        frames = kept.channel.receive()
        for frame in frames or []:
            self._control.send(frame, droppable=frame["event"] == "usage")
        if frames is None:
            self._forget(kept)

    def _forget(self, kept: Kept) -> None:
        """Let go of a job whose keeper has ended, and of anything the keeper left behind."""
        self._selector.unregister(kept.channel.fileno())
        kept.channel.close()
        del self._jobs[kept.order.job]
        self._kill_strays()
        self._control.send({"event": "gone", "job": kept.order.job})

    def _kill_strays(self) -> None:
        tree.reap()
        tree.kill_below(os.getpid(), frozenset(kept.pid for kept in self._jobs.values()))

    def _end_all(self) -> None:
        """Close the keepers' channels, which ends their jobs, and wait until all are gone."""
        kept = list(self._jobs.values())
        for job in kept:
            job.channel.close()
        deadline = time.monotonic() + KEEPERS_S
        while tree.descendants(os.getpid()) and time.monotonic() < deadline:
            tree.reap()
            time.sleep(0.002)
        tree.kill_below(os.getpid())
        for job in kept:
            remove_tree(Path(job.order.root))


def main(fd: int) -> None:
    """Serve the kernel at the other end of the socket `fd`."""
    linux.adopt_orphans()
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    Supervisor(Channel(socket.socket(fileno=fd))).serve()
