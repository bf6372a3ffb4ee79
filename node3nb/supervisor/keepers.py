"""The supervisor's sandboxes: built when needed, or built ahead by the warm Python."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Protocol

from node3nb.supervisor import berth, keeper_process
from node3nb.supervisor.berth import Berth, Blueprint, First
from node3nb.supervisor.frames import Channel
from node3nb.supervisor.kept import Kept, KeptApart
from node3nb.supervisor.orders import Order
from node3nb.supervisor.sandbox.build import SandboxError
from node3nb.supervisor.sandbox.setup import NO_NETWORK
from node3nb.supervisor.ward import Ward
from node3nb.supervisor.warm.nursery import Nursery

#: Sandboxes that wait for a job at the most, however many run.
MOST_PARKED = 4


class Supervising(Protocol):
    """What keepers need of the supervisor."""

    def watch(self, kept: KeptApart) -> None:
        """Listen to a keeper that is a process."""

    def guard(self, berth: Berth, first: First) -> Ward:
        """Return who keeps a sandbox in our own process."""

    def let_go(self) -> None:
        """Close what is not a forked process's own."""


class Keepers:
    """Makes keepers, and has some with a sandbox built ahead.

    Parameters
    ----------
    blueprint
        What their sandboxes are like.
    nursery
        The warm Python; None where jobs always begin in a fresh process.
    supervisor
        Who has them.
    """

    def __init__(
        self, blueprint: Blueprint, nursery: Nursery | None, supervisor: Supervising
    ) -> None:
        self._blueprint = blueprint
        self._supervisor = supervisor
        self._names = count()
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

    @property
    def wards(self) -> list[Ward]:
        """Those that have a job and are kept in our own process."""
        return [kept for kept in self.busy if isinstance(kept, Ward)]

    @property
    def apart(self) -> list[KeptApart]:
        """Those that have a job and are processes."""
        return [kept for kept in self.busy if isinstance(kept, KeptApart)]

    def of_job(self, job: str) -> Kept | None:
        """Return the keeper of a job."""
        return next((kept for kept in self.busy if kept.order and kept.order.job == job), None)

    def see(self, area: str) -> None:
        """Have sandboxes see the directory of the next job; those that don't are let go."""
        if self._blueprint.sees(area):
            return
        self._blueprint = self._blueprint.seeing(area)
        for kept in self._parked:
            kept.dismiss()
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

    def dismiss(self) -> None:
        """Have all of them end, whatever they do."""
        for kept in self.all:
            kept.dismiss()
        if self.nursery is not None:
            self.nursery.close()

    def give_back(self) -> None:
        """Release what was taken for sandboxes, once nothing lives in any."""
        for kept in self.all:
            if isinstance(kept, Ward):
                kept.give_back()

    def let_go(self) -> None:
        """Close every descriptor in a fork, and so leave them to us."""
        for kept in self.all:
            kept.let_go()
        if self.nursery is not None:
            self.nursery.let_go()

    @property
    def pids(self) -> frozenset[int]:
        """Process ids of all that we made and that lives, as far as they are known."""
        warm = self.nursery.pids if self.nursery is not None else set()
        return frozenset(kept.pid for kept in self.all) | warm

    @property
    def pids_apart(self) -> frozenset[int]:
        """Those of them that are keepers, as far as they are known."""
        return frozenset(kept.pid for kept in self.all if isinstance(kept, KeptApart))

    def _make(self, network: str) -> Kept:
        setup = replace(self._blueprint.setup, network=network)
        blueprint = replace(self._blueprint, setup=setup)
        return self._have_built(blueprint) or self._have_kept(blueprint)

    def _have_built(self, blueprint: Blueprint) -> Ward | None:
        """Return a sandbox that the warm Python builds for us, if one can be had."""
        nursery, view = self.nursery, blueprint.template
        if nursery is None or view is None or not nursery.ready:
            return None
        try:
            return self._supervisor.guard(
                *berth.have_born(
                    blueprint,
                    f"job-{os.getpid()}-{next(self._names)}",
                    lambda setup, fds: nursery.build(setup, view, fds).first,
                )
            )
        except (OSError, SandboxError):
            return None  # a keeper tries it again, and can say why it fails

    def _have_kept(self, blueprint: Blueprint) -> KeptApart:
        """Return a keeper that builds its sandbox itself."""
        ours, theirs = socket.socketpair()
        with theirs:
            if self._have_forked(blueprint, theirs):
                kept = KeptApart(Channel(ours))
            else:
                kept = fork(blueprint, ours, theirs, self._supervisor.let_go)
        self._supervisor.watch(kept)
        return kept

    def _have_forked(self, blueprint: Blueprint, channel: socket.socket) -> bool:
        """Whether the warm Python forks the keeper, which then can't see more than jobs do."""
        nursery = self.nursery
        return nursery is not None and not blueprint.template and nursery.bear(blueprint, channel)


def fork(
    blueprint: Blueprint, ours: socket.socket, theirs: socket.socket, let_go: Callable[[], None]
) -> KeptApart:
    """Fork a keeper from this very process; its job begins in a fresh one."""
    pid = os.fork()
    if pid:
        return KeptApart(Channel(ours), pid)
    ours.close()
    let_go()
    return keeper_process.become_job(keeper_process.keep(blueprint, Channel(theirs)))
