"""A sandbox that waits for its job, with all that was taken for it and has to be given back."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from node3nb.supervisor import limits
from node3nb.supervisor.kernel.cgroups import Group, Groups
from node3nb.supervisor.orders import Grant, Order
from node3nb.supervisor.sandbox import slots, wrapped
from node3nb.supervisor.sandbox.build import Pipes, Sandbox, SandboxError, build
from node3nb.supervisor.sandbox.inner import Inner
from node3nb.supervisor.sandbox.plan import ETC_NETWORK
from node3nb.supervisor.sandbox.setup import (
    HOST_NETWORK,
    INPUT,
    LIMITS,
    MOUNTED,
    NAMESPACES,
    SHM,
    WORK,
    Setup,
)
from node3nb.supervisor.sandbox.template import Template
from node3nb.supervisor.warm import script

#: Bytes of a file of /etc that a job with the host's network is shown, at the most.
MOST_ETC_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What a keeper builds its sandbox from."""

    #: The sandbox; its user and control group are the keeper's to find.
    setup: Setup
    #: The view it begins with; None below level `namespaces`.
    template: Template | None
    #: Where control groups can be made; None where they can't.
    groups: Groups | None
    #: Whether the job becomes a user of its own.
    own_user: bool
    #: Directory below which the jobs are that the view can show.
    area: str

    def to_frame(self) -> dict[str, Any]:
        """Return it as plain data, but for the view, which has descriptors."""
        return {
            "setup": self.setup.to_frame(),
            "groups": self.groups.to_frame() if self.groups else None,
            "own_user": self.own_user,
            "area": self.area,
        }

    @classmethod
    def from_frame(cls, frame: dict[str, Any]) -> Blueprint:
        """Return the blueprint that plain data describe, without a view."""
        groups = frame["groups"] and Groups.from_frame(frame["groups"])
        setup = Setup.from_frame(frame["setup"])
        return cls(setup, None, groups, frame["own_user"], frame["area"])

    def sees(self, area: str) -> bool:
        """Whether a job of this area can be shown its directories."""
        return self.template is None or area == self.area

    def seeing(self, area: str) -> Blueprint:
        """Return the same for another area.

        Raises
        ------
        OSError
            Its view could not be built.
        """
        template = Template.build(self.setup.plan, area, own_user=self.own_user)
        if self.template is not None:
            self.template.close()
        return replace(self, template=template, area=area)


class Berth:
    """One sandbox and its keeper's hold on it.

    Attributes
    ----------
    setup
        What the sandbox is like, user and control group included.
    sandbox
        The sandbox itself.
    group
        Its control group; None for none.
    """

    def __init__(
        self,
        setup: Setup,
        sandbox: Sandbox,
        group: Group | None,
        slot: slots.Slot | None,
        *,
        entered: bool = False,
    ) -> None:
        self.setup = setup
        self.sandbox = sandbox
        self.group = group
        self._slot = slot
        self._entered = entered  # the job's process goes into the group by itself

    def message(self, order: Order, grant: Grant) -> dict[str, Any]:
        """Return what the sandbox is told of its job, once the job's files are its user's."""
        inside = self.setup.level == NAMESPACES
        if self.group is not None:
            # Bubblewrap is in the group, with the namespace's first process, but not the job's.
            others = 2 * bool(self.setup.bubblewrap)
            self.group.limit(order.memory_bytes, order.processes + others)
        if self._slot is not None:
            slots.own((order.input, *order.writable), self._slot.uid)
        return {
            "argv": order.argv,
            "env": order.env,
            "cwd": WORK if inside else order.work,
            "readable": (INPUT if inside else order.input,),
            "writable": MOUNTED[1:] if inside else order.writable,
            "root": order.root,
            "place": os.path.relpath(order.root, order.area),
            "limits": limits.of(order, grant, own_user=self._slot is not None),
            "cores": grant.cores,
            "devices": order.devices,
            "etc": _etc() if self.setup.network == HOST_NETWORK else {},
            "shm_bytes": order.memory_bytes,
            "shm_files": order.disk_files,
            "warm": order.warm
            and not self.setup.bubblewrap
            and script.wants(
                order.argv, order.env, self.setup.plan.python, preloaded=self.setup.preloaded
            ),
        }

    def ready(self) -> None:
        """Wait until the sandbox waits, and put it under its limits.

        Raises
        ------
        SandboxError, OSError
            It could not be built.
        """
        self.sandbox.await_ready()
        if self.group is not None and not self._entered:
            self.group.enter(self.sandbox.main)

    @property
    def root(self) -> int:
        """The process below which all the job's are."""
        return self.sandbox.first if self.setup.level == NAMESPACES else os.getpid()

    @property
    def shm(self) -> str | None:
        """Where the job's own shared memory is seen from here."""
        return f"/proc/{self.sandbox.main}/root{SHM}" if self.setup.level == NAMESPACES else None

    @property
    def layers(self) -> tuple[str, ...]:
        """The protections that are on."""
        on = {
            self.setup.level: True,
            "bubblewrap": self.setup.bubblewrap,
            "landlock": self.setup.landlock and self.setup.level != LIMITS,
            "seccomp": self.setup.seccomp,
            "cgroup": self.group is not None,
            "own-user": self._slot is not None,
        }
        return tuple(name for name, is_on in on.items() if is_on)

    def let_go(self) -> None:
        """Close our descriptors, in a process that does not keep it."""
        self.sandbox.close()
        if self._slot is not None:
            self._slot.let_go()

    def give_back(self) -> None:
        """Release what was taken for the sandbox, once nothing lives in it."""
        self.sandbox.close()
        _give_back(self.group, self._slot)


def _give_back(group: Group | None, slot: slots.Slot | None) -> None:
    if group is not None:
        group.remove()
    if slot is not None:
        slot.release()


def make(blueprint: Blueprint) -> Berth | Inner:
    """Take what a sandbox needs and build it; returns a second time in the job's own process.

    Raises
    ------
    SandboxError, OSError
        It could not be built; whatever was taken is given back.
    """
    with _taken(blueprint, group_name(os.getpid())) as (setup, group, slot):
        built = wrapped.build(setup) if setup.bubblewrap else build(setup, blueprint.template)
        if isinstance(built, Inner):
            return built
        berth = Berth(setup, built, group, slot)
        try:
            berth.ready()
        except BaseException:
            built.end()
            raise
        return berth


def have_born(blueprint: Blueprint, name: str, bear: Bear) -> tuple[Berth, First]:
    """Take what a sandbox needs and have it built by another process, which goes on meanwhile.

    Parameters
    ----------
    blueprint
        What it is like.
    name
        Name of its control group.
    bear
        Has it built: takes what it is like, its ends of the pipes and the doors of its control
        group, and returns how to learn its first process.

    Raises
    ------
    OSError
        It could not be begun; whatever was taken is given back.
    """
    with _taken(blueprint, name) as (setup, group, slot):
        pipes = Pipes()
        doors = group.doors() if group else []
        try:
            first = bear(setup, (*pipes.theirs, *doors))
        except BaseException:
            pipes.close()
            raise
        finally:
            for door in doors:
                os.close(door)
        pipes.outside()
        return Berth(setup, Sandbox(0, pipes, inside=True), group, slot, entered=True), first


Taken = tuple[Setup, Group | None, slots.Slot | None]
#: Returns the first process of a sandbox; waits for it if it has to.
First = Callable[[], int]
Bear = Callable[[Setup, tuple[int, ...]], First]


@contextlib.contextmanager
def _taken(blueprint: Blueprint, name: str) -> Iterator[Taken]:
    """Take a user and a control group for a sandbox; they are given back if that fails."""
    slot = slots.take() if blueprint.own_user else None
    if blueprint.own_user and slot is None:
        raise SandboxError("no user of its own is free for the job")
    group = None
    try:
        if blueprint.groups is not None:
            group = blueprint.groups.create(name)
        uid = slot.uid if slot else 0
        yield replace(blueprint.setup, uid=uid, grouped=group is not None), group, slot
    except BaseException:
        _give_back(group, slot)
        raise


def group_name(keeper: int) -> str:
    """Return the name of the control group that a keeper makes."""
    return f"job-{keeper}"


def _etc() -> dict[str, str]:
    """Return what a job with the host's network has to know of that network."""
    texts = {}
    for name in ETC_NETWORK:
        try:
            with open(f"/etc/{name}", encoding="utf-8", errors="replace") as file:
                texts[name] = file.read(MOST_ETC_BYTES)
        except OSError:
            continue
    return texts
