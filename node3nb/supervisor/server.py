"""The supervisor: takes the kernel's orders, gives each job a keeper, ends all with the kernel."""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import signal
import socket
import sys
import time
from pathlib import Path

from node3nb.files.removal import remove_tree
from node3nb.supervisor import berth, guard, level, linux, marks, tree, verdict
from node3nb.supervisor.berth import Berth, First
from node3nb.supervisor.frames import Channel, Frame
from node3nb.supervisor.keepers import Keepers
from node3nb.supervisor.kept import Kept, KeptApart
from node3nb.supervisor.orders import Order
from node3nb.supervisor.sandbox import plan
from node3nb.supervisor.sandbox.setup import LEVELS
from node3nb.supervisor.shares import Shares
from node3nb.supervisor.ward import Ward
from node3nb.supervisor.warm.nursery import Nursery
from node3nb.supervisor.watch import Cause

#: Whether a Python may fork without becoming another program: macOS's frameworks forbid it.
FORKS_WARM = sys.platform == "linux"
#: Seconds the keepers get to kill their jobs before the supervisor kills what is left itself.
KEEPERS_S = 5.0
#: Seconds between two looks at whether the keepers still run, while there are any.
LOOK_S = 1.0
#: Seconds between two looks at our parent where the kernel can't tell of its end.
PARENT_S = 0.25
#: Seconds between two attempts to send what the kernel does not take.
FLUSH_S = 0.02
_READ = selectors.EVENT_READ


class Supervisor:
    """The one process that owns every native job of a provider.

    Parameters
    ----------
    control
        The way to the kernel's process.
    owner, parent
        Process ids of that, and of our parent.
    wanted
        What it said first: `python`, `prefixes`, `preload`, `area`, `isolation`.
    """

    def __init__(self, control: Channel, owner: int, parent: int, wanted: Frame) -> None:
        self._control = control
        self._owner = owner
        self._parent = parent
        self._selector = selectors.DefaultSelector()
        self._statuses: dict[int, int] = {}
        self._shares = Shares()
        self._orphaned = self._strays = False
        self._polls_owner = not hasattr(os, "pidfd_open")
        self._expecting: int | None = None
        self._nursery = Nursery(wanted["python"], wanted["preload"]) if FORKS_WARM else None
        self._level = level.find(
            plan.make(wanted["python"], wanted["prefixes"]),
            wanted["area"],
            wanted["isolation"] or LEVELS[-1],
            preloaded=bool(wanted["preload"]),
        )
        self._groups = self._level.blueprint.groups
        self._keepers = Keepers(self._level.blueprint, self._nursery, self)

    def serve(self) -> None:
        """Run jobs until the kernel is gone, then end them all and remove what they wrote."""
        self._selector.register(self._control.fileno(), _READ, self._hear_kernel)
        self._watch_kernel()
        self._watch_nursery()
        self._control.send({"event": "ready", "pid": os.getpid(), **self._level.to_frame()})
        while not self._orphaned:
            for key, _ in self._selector.select(self._patience_s()):
                key.data()
            for ward in self._keepers.wards:
                ward.turn()
            self._control.flush()
            self._look_around()
        self._end_all()

    def _patience_s(self) -> float | None:
        """Return how long to sleep if nothing happens, in seconds; None is for ever."""
        waits = [ward.wait_s() for ward in self._keepers.wards]
        if self._control.waiting:
            waits.append(FLUSH_S)
        if self._polls_owner:
            waits.append(PARENT_S)
        if self._keepers.busy or (self._nursery is not None and self._nursery.leaving):
            waits.append(LOOK_S)
        return min((wait for wait in waits if wait is not None), default=None)

    def _watch_kernel(self) -> None:
        """Notice the kernel's death even while a process it forked still holds our socket."""
        for pid in () if self._polls_owner else {self._owner, self._parent}:
            self._selector.register(os.pidfd_open(pid), _READ, self._lose_kernel)
        self._look_around()

    def _watch_nursery(self) -> None:
        """Begin to park sandboxes as soon as the next warm Python can bear them."""
        fd = self._nursery.expecting if self._nursery else None
        if fd is not None and fd != self._expecting:
            self._selector.register(fd, _READ, self._hear_nursery)
            self._expecting = fd

    def _hear_nursery(self) -> None:
        if self._expecting is not None:
            self._selector.unregister(self._expecting)
            self._expecting = None
        if self._nursery is not None and self._nursery.hear():
            self._park()

    def _look_around(self) -> None:
        """Notice what no descriptor tells: a parent that changed, a keeper that was stopped."""
        if os.getppid() != self._parent:
            self._lose_kernel()
        for kept in self._keepers.apart:
            self._end_if_stopped(kept)
        if self._strays and 0 not in self._keepers.pids:
            self._kill_strays()
        if self._nursery is not None:
            self._nursery.reap()

    def _end_if_stopped(self, kept: KeptApart) -> None:
        """Kill a keeper that somebody stopped: a job nobody watches must not go on."""
        if not kept.pid or kept.pid in self._statuses:
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
            self._start(Order.from_frame(frame["order"]))
        elif kept := self._keepers.of_job(frame["job"]):
            kept.cancel()

    def _start(self, order: Order) -> None:
        try:
            self._keepers.see(order.area)
            kept = self._keepers.take(order) or self._keepers.make(order.network)
            kept.employ(order, self._shares.grant(order, self._keepers.busy))
        except OSError as error:
            why = error.strerror or str(error)
            cause = Cause("internal", f"The job could not be started ({why}); try later.")
            self._tell_end(order, verdict.without_account(cause, {}))

    def watch(self, kept: KeptApart) -> None:
        """Listen to a keeper that is a process of its own."""
        self._selector.register(kept.channel.fileno(), _READ, lambda: self._hear(kept))

    def guard(self, berth: Berth, first: First) -> Ward:
        """Return who keeps a sandbox in this process."""
        return Ward(berth, first, self._selector, self._told, self._part_with)

    def _park(self) -> None:
        """Have sandboxes built ahead, now that nothing more urgent is to be done."""
        with contextlib.suppress(OSError):
            while self._keepers.wants_more():
                self._keepers.park()
        self._watch_nursery()

    def let_go(self) -> None:
        """In a process forked from this one: close what is not its own.

        Only so is the end of each channel noticed at once.
        """
        self._selector.close()
        self._control.close()
        self._keepers.let_go()

    def _hear(self, kept: KeptApart) -> None:
        """Pass on what a keeper tells; its account only once the keeper itself is gone."""
        frames = kept.channel.receive()
        for frame in frames or []:
            self._told(kept, frame)
        if frames is None:
            self._forget(kept)

    def _told(self, kept: Kept, frame: Frame) -> None:
        if not kept.note(frame):
            self._control.send(frame, droppable=frame["event"] == "usage")
        if frame["event"] == "started":
            self._park()

    def _forget(self, kept: KeptApart) -> None:
        """Let go of a keeper that has ended, and of anything it left behind."""
        self._selector.unregister(kept.channel.fileno())
        kept.channel.close()
        status = self._bury(kept)
        self._keepers.forget(kept)
        if status and self._groups is not None:
            self._groups.remove(berth.group_name(kept.pid))
        if not kept.pid:
            self._strays = True  # one that has never told its number hangs from us all the same
        unused = kept.was_unused(status)
        if kept.order and (status or not kept.ended) and not unused:
            tree.remember_groups(*filter(None, [kept.started.get("main")]), learn=False)
            self._strays = True
            self._look_around()
        self._close_account(kept, verdict.keeper_ended(status), unused=unused)
        self._park_after(kept)

    def _part_with(self, ward: Ward) -> None:
        """Let go of a sandbox of which nothing is left."""
        self._keepers.forget(ward)
        lost = Cause("internal", "The job's sandbox ended before the job; run it again.")
        self._close_account(ward, lost, unused=ward.unused)
        ward.give_back()
        self._park_after(ward)

    def _close_account(self, kept: Kept, cause: Cause, *, unused: bool) -> None:
        """Tell how a job has ended, or give it to another keeper if this one never had it."""
        if kept.order is None:
            return
        if unused:
            self._start(kept.order)
            return
        self._tell_end(kept.order, kept.account(cause))

    def _park_after(self, kept: Kept) -> None:
        """Replace one that had a job; one that could not be built is not tried again at once."""
        if kept.order is not None:
            self._park()

    def _tell_end(self, order: Order, account: Frame) -> None:
        self._control.send({**account, "event": "ended", "job": order.job})

    def _bury(self, kept: KeptApart) -> int:
        """Return the wait status of a keeper that has closed its channel."""
        if not kept.pid:
            return 1
        if kept.pid not in self._statuses:
            self._statuses[kept.pid] = os.waitpid(kept.pid, 0)[1]
        return self._statuses.pop(kept.pid)

    def _kill_strays(self) -> None:
        """Kill what hangs from us, and neither from a living keeper nor from the warm Python."""
        self._strays = False
        ended = tree.kill_below(os.getpid(), self._keepers.pids)
        awaited = self._keepers.pids_apart
        self._statuses |= {pid: status for pid, status in ended.items() if pid in awaited}

    def _end_all(self) -> None:
        """End every job and its keeper, and wait until all are gone."""
        busy = list(self._keepers.busy)
        self._keepers.dismiss()
        deadline = time.monotonic() + KEEPERS_S
        while tree.descendants(os.getpid()) and time.monotonic() < deadline:
            tree.reap()
            time.sleep(0.002)
        tree.kill_below(os.getpid())
        self._keepers.give_back()
        if self._groups is not None:
            self._groups.end()
        for kept in busy:
            with contextlib.suppress(OSError):
                remove_tree(Path(kept.order.root if kept.order else os.devnull))


def main(fd: int, owner: int) -> None:
    """Serve the process `owner`, our parent, at the other end of the socket `fd`."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    parent = guard.stand()
    linux.adopt_orphans()
    marks.sweep()
    control = Channel(socket.socket(fileno=fd))
    frames: list[Frame] | None = []
    while frames == []:
        select.select([control.fileno()], [], [])
        frames = control.receive()
    if not frames:
        return
    try:
        supervisor = Supervisor(control, owner, parent, frames[0])
    except level.TrialFailed as failed:
        control.send({"event": "ready", "failed": str(failed)})
        return
    supervisor.serve()
