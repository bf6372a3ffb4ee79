"""The supervisor: takes the kernel's orders, gives each job a keeper, ends all with the kernel."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

from node3nb.files.removal import remove_tree
from node3nb.supervisor import keeper, level, limits, linux, tree, verdict
from node3nb.supervisor.frames import Channel, Frame
from node3nb.supervisor.orders import Grant, Order
from node3nb.supervisor.watch import Cause

#: Seconds the keepers get to kill their jobs before the supervisor kills what is left itself.
KEEPERS_S = 5.0
#: Seconds between two looks at whether the keepers still run, while there are any.
LOOK_S = 1.0
#: Seconds between two looks at our parent where the kernel can't tell of its end.
PARENT_S = 0.25
#: Seconds for which a count of the user's processes is good enough.
OWNER_TASKS_S = 5.0


@dataclass(slots=True)
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
    #: What the keeper told of its start; empty before.
    started: Frame = field(default_factory=dict)
    #: The keeper's account; empty before the end.
    ended: Frame = field(default_factory=dict)


class Supervisor:
    """The one process that owns every native job of a provider."""

    def __init__(self, control: Channel, owner: int) -> None:
        self._control = control
        self._owner = owner
        self._selector = selectors.DefaultSelector()
        self._jobs: dict[str, Kept] = {}
        self._statuses: dict[int, int] = {}
        self._owner_tasks = (0.0, 0)
        self._orphaned = False
        self._polls_owner = not hasattr(os, "pidfd_open")

    def serve(self) -> None:
        """Run jobs until the kernel is gone, then end them all and remove what they wrote."""
        self._selector.register(self._control.fileno(), selectors.EVENT_READ, self._hear_kernel)
        self._watch_kernel()
        self._control.send({"event": "ready", "pid": os.getpid(), **level.probe()})
        while not self._orphaned:
            for key, _ in self._selector.select(self._patience_s()):
                key.data()
            self._control.flush()
            self._look_around()
        self._end_all()

    def _patience_s(self) -> float | None:
        """Return how long to sleep if nothing happens, in seconds; None is for ever."""
        if self._control.waiting:
            return 0.02
        if self._polls_owner:
            return PARENT_S
        return LOOK_S if self._jobs else None

    def _watch_kernel(self) -> None:
        """Notice the kernel's death even while a process it forked still holds our socket."""
        if not self._polls_owner:
            kernel = os.pidfd_open(self._owner)
            self._selector.register(kernel, selectors.EVENT_READ, self._lose_kernel)
        self._look_around()

    def _look_around(self) -> None:
        """Notice what no descriptor tells: a parent that changed, a keeper that was stopped."""
        if os.getppid() != self._owner:
            self._lose_kernel()
        for kept in self._jobs.values():
            self._end_if_stopped(kept)

    def _end_if_stopped(self, kept: Kept) -> None:
        """Kill a keeper that somebody stopped: a job nobody watches must not go on."""
        if kept.pid in self._statuses:
            return
        pid, status = os.waitpid(kept.pid, os.WNOHANG | os.WUNTRACED)
        if pid and os.WIFSTOPPED(status):
            os.kill(pid, signal.SIGKILL)
        elif pid:
            self._statuses[pid] = status

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
        try:
            self._entrust(order)
        except OSError as error:
            cause = Cause(
                "internal", f"The job could not be started ({error.strerror}); try later."
            )
            self._tell_end(order, verdict.without_account(cause, {}))

    def _entrust(self, order: Order) -> None:
        """Give the job to a keeper of its own."""
        ours, theirs = socket.socketpair()
        with theirs:
            grant = Grant(self._choose_cores(order.cores), self._count_owner_tasks())
            pid = os.fork()
            if not pid:
                self._become_keeper(order, grant, ours, theirs)
        kept = self._jobs[order.job] = Kept(order, grant, pid, Channel(ours))
        self._selector.register(ours.fileno(), selectors.EVENT_READ, lambda: self._hear(kept))

    def _become_keeper(
        self, order: Order, grant: Grant, ours: socket.socket, theirs: socket.socket
    ) -> None:
        """Let go of every other channel, so that each one's end is noticed at once."""
        try:
            self._selector.close()
            self._control.close()
            ours.close()
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

    def _hear(self, kept: Kept) -> None:
        """Pass on what a keeper tells; its account only once the keeper itself is gone."""
        frames = kept.channel.receive()
        for frame in frames or []:
            if frame["event"] == "ended":
                kept.ended = frame
                continue
            if frame["event"] == "started":
                kept.started = frame
            self._control.send(frame, droppable=frame["event"] == "usage")
        if frames is None:
            self._forget(kept)

    def _forget(self, kept: Kept) -> None:
        """Let go of a job whose keeper has ended, and of anything the keeper left behind."""
        self._selector.unregister(kept.channel.fileno())
        kept.channel.close()
        status = self._bury(kept)
        del self._jobs[kept.order.job]
        if status or not kept.ended:
            self._kill_strays(kept)
        lost = verdict.without_account(verdict.keeper_ended(status), kept.started)
        self._tell_end(kept.order, kept.ended or lost)

    def _tell_end(self, order: Order, account: Frame) -> None:
        self._control.send({**account, "event": "ended", "job": order.job})

    def _bury(self, kept: Kept) -> int:
        """Return the wait status of a keeper that has closed its channel."""
        if kept.pid not in self._statuses:
            self._statuses[kept.pid] = os.waitpid(kept.pid, 0)[1]
        return self._statuses.pop(kept.pid)

    def _kill_strays(self, left: Kept) -> None:
        """Kill what hangs from us and from no living keeper."""
        keepers = frozenset(kept.pid for kept in self._jobs.values())
        tree.remember_groups(*filter(None, [left.started.get("main")]), learn=False)
        ended = tree.kill_below(os.getpid(), keepers)
        self._statuses |= {pid: status for pid, status in ended.items() if pid in keepers}

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
            with contextlib.suppress(OSError):
                remove_tree(Path(job.order.root))


def main(fd: int, owner: int) -> None:
    """Serve the process `owner`, our parent, at the other end of the socket `fd`."""
    linux.adopt_orphans()
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    Supervisor(Channel(socket.socket(fileno=fd)), owner).serve()
