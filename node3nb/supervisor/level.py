"""The isolation level of this machine, found by running a job at each."""

from __future__ import annotations

import os
import select
import socket
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from node3nb.files.removal import remove_tree
from node3nb.supervisor.berth import Blueprint
from node3nb.supervisor.frames import Frame
from node3nb.supervisor.keepers import fork
from node3nb.supervisor.kept import KeptApart
from node3nb.supervisor.kernel import cgroups, landlock, seccomp
from node3nb.supervisor.orders import Grant, Order
from node3nb.supervisor.sandbox import bubblewrap, slots
from node3nb.supervisor.sandbox.plan import Plan
from node3nb.supervisor.sandbox.setup import (
    LANDLOCK,
    LEVELS,
    LIMITS,
    MOUNTED,
    NAMESPACES,
    NO_NETWORK,
    Setup,
)
from node3nb.supervisor.sandbox.template import Template

#: Landlock's version that fences signals and abstract sockets too (landlock(7)).
LANDLOCK_ABI = 6
#: What the job of a trial does: read where it may, write where it may, start a process.
TRIAL = """
import os, sys
os.listdir(sys.argv[1])
for path in sys.argv[2:]:
    with open(os.path.join(path, "trial"), "w") as file:
        file.write("x")
child = os.fork() or os._exit(7)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
TRIAL_CODE = 7
#: Memory and time of that job, in bytes and seconds.
TRIAL_BYTES, TRIAL_S = 256 << 20, 10.0
#: Seconds after which a trial that does not end is given up.
PATIENCE_S = 20.0


@dataclass(slots=True)
class Level:
    """What jobs run at here.

    Attributes
    ----------
    blueprint
        What every sandbox is built from.
    layers
        The protections that are on.
    missing
        Each layer that is not, with the reason.
    """

    blueprint: Blueprint
    layers: tuple[str, ...] = ()
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The level's own name."""
        return self.blueprint.setup.level

    def to_frame(self) -> Frame:
        """Return what the kernel is told of it."""
        grouped = self.blueprint.groups is not None
        return {
            "isolation": self.name,
            "memory_enforced_by": "cgroup" if grouped else "monitor",
            "layers": self.layers,
            "missing": self.missing,
            "landlock": self.blueprint.setup.landlock,
        }


def find(plan: Plan, area: str, strongest: str, *, preloaded: bool) -> Level:
    """Return the strongest level, up to one, at which a job really runs.

    Parameters
    ----------
    plan
        What of the host a job may see.
    area
        Directory below which jobs have theirs.
    strongest
        Level that is not exceeded.
    preloaded
        Whether the warm Python has loaded more than every program needs.

    Raises
    ------
    TrialFailed
        A job runs at none.
    """
    missing: dict[str, str] = {}
    groups = cgroups.find()
    if isinstance(groups, str):
        missing["cgroup"] = groups
    else:
        cgroups.sweep(groups)
    slots.sweep()
    known = Setup(
        level=LIMITS,
        network=NO_NETWORK,
        plan=plan,
        uid=0,
        grouped=False,
        landlock=landlock.abi(),
        seccomp=seccomp.available(),
        preloaded=preloaded,
    )
    usable = None if isinstance(groups, str) else groups
    base = Blueprint(known, None, usable, own_user=False, area=area)
    allowed = LEVELS[: LEVELS.index(strongest) + 1]
    for name in reversed(LEVELS):
        if name not in allowed:
            missing[name] = "it was asked for less"
            continue
        level = _try(name, base, area, missing)
        if level is not None:
            return level
    raise TrialFailed(missing[LIMITS])


def _try(name: str, base: Blueprint, area: str, missing: dict[str, str]) -> Level | None:
    """Return the level if a job runs at it; else note why not."""
    for own_user in (True, False) if _may_have_users(name) else (False,):
        try:
            blueprint = _blueprint(name, base, area, own_user)
            layers = _trial(blueprint, area)
        except (OSError, TrialFailed) as error:
            missing["own-user" if own_user else name] = _words(error)
            continue
        return Level(blueprint, layers, missing)
    return _try_bubblewrap(base, area, missing) if name == NAMESPACES else None


def _try_bubblewrap(base: Blueprint, area: str, missing: dict[str, str]) -> Level | None:
    """Return the level `namespaces` if a job runs at it in a sandbox that bubblewrap builds.

    Root is not helped by it: what refuses root namespaces refuses them to bubblewrap too.
    """
    ours = missing[NAMESPACES]
    if not os.geteuid():
        return None
    if not os.access(bubblewrap.PROGRAM, os.X_OK):
        missing[NAMESPACES] = f"{ours}; {bubblewrap.PROGRAM}, which may be let, is not installed"
        return None
    for way in bubblewrap.WAYS:
        blueprint = replace(base, setup=replace(base.setup, level=NAMESPACES, bubblewrap=way))
        try:
            layers = _trial(blueprint, area)
        except (OSError, TrialFailed) as error:
            missing[NAMESPACES] = f"{ours}; {_words(error)}"
            continue
        del missing[NAMESPACES]
        return Level(blueprint, layers, {**missing, "built-ahead": f"by bubblewrap: {ours}"})
    return None


def _may_have_users(name: str) -> bool:
    return name != LIMITS and os.geteuid() == 0


class TrialFailed(Exception):
    """A job did not run as it should; the message says what happened."""


def _words(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _blueprint(name: str, base: Blueprint, area: str, own_user: bool) -> Blueprint:
    setup = replace(base.setup, level=name)
    if name == LANDLOCK and setup.landlock < LANDLOCK_ABI:
        raise TrialFailed(f"the kernel has version {setup.landlock}, {LANDLOCK_ABI} is needed")
    if name == NAMESPACES and os.geteuid() == 0 and not (own_user or setup.landlock):
        # Without rights root's user still owns what /proc/sys has of the host.
        raise TrialFailed("root's jobs need a user of their own, or Landlock")
    if name == NAMESPACES:
        template = Template.build(setup.plan, area, own_user=own_user)
        return replace(base, setup=setup, template=template, own_user=own_user)
    return replace(base, setup=setup, own_user=own_user)


def _trial(blueprint: Blueprint, area: str) -> tuple[str, ...]:
    """Run a job in a sandbox of this kind; return its layers.

    Raises
    ------
    TrialFailed
        It did not end as it should.
    """
    os.makedirs(area, mode=0o700, exist_ok=True)
    root = tempfile.mkdtemp(prefix="trial-", dir=area)
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            kept = fork(blueprint, ours, theirs, lambda: None)
        kept.employ(_order(blueprint, root, area), Grant((), 0))
        _await(kept)
    finally:
        remove_tree(Path(root))
    if kept.ended.get("exit_code") != TRIAL_CODE:
        why = kept.unbuilt or kept.ended.get("unprepared") or kept.ended.get("message")
        raise TrialFailed(why or "the trial's job failed")
    return kept.layers


def _await(kept: KeptApart) -> None:
    """Hear the keeper out, and wait for its end."""
    frames: list[Frame] | None = []
    while frames is not None:
        for frame in frames:
            kept.note(frame)
        if not select.select([kept.channel.fileno()], [], [], PATIENCE_S)[0]:
            break
        frames = kept.channel.receive()
    kept.channel.close()
    os.waitpid(kept.pid, 0)


def _order(blueprint: Blueprint, root: str, area: str) -> Order:
    """Return the order of the trial's job, and make its directories."""
    own = tuple(root + path for path in MOUNTED)
    for path in (*own, f"{root}/log"):
        os.mkdir(path)
    seen = MOUNTED if blueprint.setup.level == NAMESPACES else own
    return Order(
        job="trial",
        argv=(blueprint.setup.plan.python, "-I", "-S", "-c", TRIAL, *seen),
        env={},
        root=root,
        input=own[0],
        output=own[1],
        work=own[2],
        tmp=own[3],
        log=f"{root}/log",
        area=area,
        network=NO_NETWORK,
        devices=(),
        warm=False,
        cores=1,
        memory_bytes=TRIAL_BYTES,
        disk_bytes=TRIAL_BYTES,
        disk_files=100,
        timeout_s=TRIAL_S,
        processes=16,
        log_bytes=4096,
        grace_s=0.0,
        asked_ns=time.monotonic_ns(),
    )
