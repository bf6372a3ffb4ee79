"""The supervisor's keepers: forked when needed, or kept ready by the warm Python."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from node3nb.supervisor import keeper_process, verdict
from node3nb.supervisor.berth import Blueprint
from node3nb.supervisor.frames import Channel, Frame
from node3nb.supervisor.orders import Grant, Order
from node3nb.supervisor.sandbox.setup import NO_NETWORK
from node3nb.supervisor.warm.nursery import Nursery
from node3nb.supervisor.watch import Cause

#: Sandboxes that wait for a job at the most, however many run.
MOST_PARKED = 4


@dataclass(slots=True, eq=False)
class Kept:
    """One keeper, seen from the supervisor."""

    #: The way to it.
    channel: Channel
    #: Its process id; 0 until it has told.
    pid: int = 0
    #: The protections of its sandbox, once it is built.
    layers: tuple[str, ...] = ()
    #: Why its sandbox could not be built; empty unless so.
    unbuilt: str = ""
    #: Its job; None while it waits for one.
    order: Order | None = None
    #: Cores its job was granted.
    cores: tuple[int, ...] = ()
    #: What was told of the job's start; empty before.
    started: Frame = field(default_factory=dict)
    #: The job's account; empty before the end.
    ended: Frame = field(default_factory=dict)

    def employ(self, order: Order, grant: Grant) -> None:
        """Give the keeper its job."""
        self.order, self.cores = order, grant.cores
        self.channel.send({"order": order.to_frame(), "grant": grant.to_frame()})

    def note(self, frame: Frame) -> bool:
        """Take note of what the keeper tells; return whether it was for us alone."""
        event = frame["event"]
        if event in {"parked", "unbuilt"}:
            self.pid = frame["pid"]
            self.layers = frame.get("layers", ())
            self.unbuilt = frame.get("why", "")
        elif event == "ended":
            self.ended = {**frame, "layers": self.layers}
        elif event == "started":
            self.started = frame
        return event not in {"started", "usage"}

    def was_unused(self, status: int) -> bool:
        """Whether it ended, with this wait status, before it could begin with its job."""
        code = os.waitstatus_to_exitcode(status)
        return code == keeper_process.UNUSED and not (self.started or self.unbuilt)

    def account(self, status: int) -> Frame:
        """Return how the job ended, from what was told or from the keeper's wait status."""
        if self.ended:
            return self.ended
        cause = verdict.keeper_ended(status)
        if self.unbuilt:
            told = f"The sandbox could not be built ({self.unbuilt}); run `node3nb doctor`."
            cause = Cause("internal", told)
        return {**verdict.without_account(cause, self.started), "layers": self.layers}


class Keepers:
    """Makes keepers, and has some with a sandbox built ahead.

    Parameters
    ----------
    blueprint
        What their sandboxes are like.
    nursery
        The warm Python; None where jobs always begin in a fresh process.
    let_go
        Called in every process forked from this one, to close what is not its own.
    """

    def __init__(
        self, blueprint: Blueprint, nursery: Nursery | None, let_go: Callable[[], None]
    ) -> None:
        self._blueprint = blueprint
        self._let_go = let_go
        self._parked: list[Kept] = []
        self._leaving: list[Kept] = []
        #: Those that have a job.
        self.busy: list[Kept] = []
        #: The warm Python.
        self.nursery = nursery

    @property
    def all(self) -> list[Kept]:
        """Every keeper."""
        return self.busy + self._parked + self._leaving

    def of_job(self, job: str) -> Kept | None:
        """Return the keeper of a job."""
        return next((kept for kept in self.busy if kept.order and kept.order.job == job), None)

    def see(self, area: str) -> None:
        """Have sandboxes see the directory of the next job; those that don't are let go."""
        if self._blueprint.sees(area):
            return
        self._blueprint = self._blueprint.seeing(area)
        for kept in self._parked:
            kept.channel.end()
        self._leaving += self._parked
        self._parked = []

    def take(self, order: Order) -> Kept | None:
        """Return a keeper that waits, for a job of its network."""
        if order.network != NO_NETWORK:
            return None
        built = next((kept for kept in self._parked if kept.layers), None)
        kept = built or next(iter(self._parked), None)
        if kept is not None:
            self._parked.remove(kept)
            self.busy.append(kept)
        return kept

    def make(self, network: str) -> Kept:
        """Return a new keeper for a job, with its sandbox being built."""
        kept = self._make(network)
        self.busy.append(kept)
        return kept

    def wants_more(self) -> bool:
        """Whether another one should be parked, beside those that are."""
        most = min(1 + len(self.busy), MOST_PARKED)
        return self.nursery is not None and self.nursery.ready and len(self._parked) < most

    def park(self) -> Kept:
        """Return a new keeper that waits."""
        kept = self._make(NO_NETWORK)
        self._parked.append(kept)
        return kept

    def forget(self, kept: Kept) -> None:
        """Let go of one that has ended."""
        for group in (self.busy, self._parked, self._leaving):
            if kept in group:
                group.remove(kept)

    def let_go(self) -> None:
        """Close every channel: here that ends the keepers, in a fork it leaves them to us."""
        for kept in self.all:
            kept.channel.close()
        if self.nursery is not None:
            self.nursery.close()

    @property
    def pids(self) -> frozenset[int]:
        """Process ids of all that we made and that lives, as far as they are known."""
        warm = self.nursery.pids if self.nursery is not None else set()
        return frozenset(kept.pid for kept in self.all) | warm

    def _make(self, network: str) -> Kept:
        setup = replace(self._blueprint.setup, network=network)
        blueprint = replace(self._blueprint, setup=setup)
        ours, theirs = socket.socketpair()
        with theirs:
            if self.nursery is not None and self.nursery.bear(blueprint, theirs):
                return Kept(Channel(ours))
            return fork(blueprint, ours, theirs, self._let_go)


def fork(
    blueprint: Blueprint, ours: socket.socket, theirs: socket.socket, let_go: Callable[[], None]
) -> Kept:
    """Fork a keeper from this very process; its job begins in a fresh one."""
    pid = os.fork()
    if pid:
        return Kept(Channel(ours), pid)
    ours.close()
    let_go()
    return keeper_process.become_job(keeper_process.keep(blueprint, Channel(theirs)))
