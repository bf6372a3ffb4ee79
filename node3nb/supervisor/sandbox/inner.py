"""The job's own process: locked in first, told last what to run."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # plain numbers, not an enumeration to be made
import os
import signal
import sys
from dataclasses import dataclass
from typing import Any, NoReturn

from node3nb.supervisor import limits, linux
from node3nb.supervisor.kernel import capabilities, seccomp
from node3nb.supervisor.kernel.landlock import Ruleset
from node3nb.supervisor.sandbox import arrival
from node3nb.supervisor.sandbox import plan as plans
from node3nb.supervisor.sandbox.children import DESCRIPTORS_END, receive, tell, told
from node3nb.supervisor.sandbox.setup import (
    HOST_NETWORK,
    LANDLOCK,
    LIMITS,
    NAMESPACES,
    NO_NETWORK,
    READY,
    SHM,
    UNPREPARED,
    UNSTARTED,
    Setup,
)

#: Every signal that can be handled.
SIGNALS = tuple(sorted(map(int, signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})))
#: Descriptors of the job's process while it waits: what it reports to, what it is told by.
REPORT, GO = 3, 4


@dataclass(frozen=True, slots=True)
class Ends:
    """The ends of the pipes that the job's process needs, before they have their places."""

    stdout: int
    stderr: int
    report: int
    go: int


class Inner:
    """The job's process, locked in and without a job."""

    def __init__(self, setup: Setup, ends: Ends, *, parked: bool = True) -> None:
        self._setup = setup
        self._rules: Ruleset | None = None
        os.setsid()
        linux.die_with_parent()
        limits.die_first()
        _forget_signals()
        os.umask(0o022)
        _place_descriptors(ends)
        try:
            self._prepare()
        except Exception as error:  # noqa: BLE001 - whatever it is, the keeper has to know
            tell(REPORT, UNPREPARED, *told(error))
            os._exit(125)
        if parked:
            tell(REPORT, READY)

    def _prepare(self) -> None:
        """Do all that does not need to know the job."""
        if self._setup.level != LIMITS and self._setup.landlock:
            self._rules = _ruleset(self._setup)
        if self._setup.seccomp:
            seccomp.program(policy(self._setup))
        linux.forbid_new_privileges()

    def await_job(self) -> dict[str, Any]:
        """Wait for the job and be locked in with it; returns what it is told, or not at all."""
        try:
            go = receive(GO)
            if go is not None:
                os.close(GO)
                self._lock_in(go)
                return go
        except Exception as error:  # noqa: BLE001 - whatever it is, the keeper has to know
            tell(REPORT, UNPREPARED, *told(error))
        os._exit(125)

    def _lock_in(self, go: dict[str, Any]) -> None:
        """Put on every layer, the one that forbids putting on others last."""
        setup = self._setup
        if setup.level == NAMESPACES and not setup.bubblewrap:
            arrival.arrange(setup.plan, go)
        _become(setup.uid)
        os.chdir(go["cwd"])
        if self._rules is not None:
            _complete(self._rules, go)
            self._rules.enforce()
        limits.give_way(go["cores"])
        limits.apply(go["limits"])
        if setup.seccomp:
            seccomp.install(seccomp.program(policy(setup)))

    def execute(self, argv: tuple[str, ...], env: dict[str, str]) -> NoReturn:
        """Become another program; the report tells when that fails."""
        _forget_signals()
        try:
            os.execvpe(argv[0], argv, env)  # noqa: S606 - a list, never a shell
        except Exception as error:  # noqa: BLE001 - whatever it is, the keeper has to know
            tell(REPORT, UNSTARTED, *told(error))
        os._exit(125)


def _become(uid: int) -> None:
    """Have no rights but those of a user, an own one if there is one."""
    if uid:
        capabilities.become(uid, uid)
    if sys.platform == "linux":
        capabilities.drop_all()
    linux.die_with_parent()  # a change of user or capabilities has cleared it
    linux.show_to_peers()


def _complete(rules: Ruleset, go: dict[str, Any]) -> None:
    """Add what belongs to the job alone."""
    for path in go["readable"]:
        rules.allow_executing(path)
    for path in go["writable"]:
        rules.allow_writing(path)
    for path in go["devices"]:
        rules.allow_device(path)


def policy(setup: Setup) -> seccomp.Policy:
    """Return which calls a level leaves: what has its own namespace may be used in it."""
    apart = setup.level != LANDLOCK
    return seccomp.Policy(
        unix_sockets=apart,
        internet=apart or setup.network == HOST_NETWORK,
        memfd=setup.grouped,
        system_v=apart,
        other_processes=setup.level == NAMESPACES,
        file_modes=setup.level != LANDLOCK or bool(setup.uid),
    )


def _ruleset(setup: Setup) -> Ruleset:
    """Return the rules known before the job; its own directories follow."""
    inside = setup.level == NAMESPACES
    rules = Ruleset(deny_network=not inside and setup.network == NO_NETWORK)
    if inside:
        rules.allow_executing("/")
        rules.allow_writing(SHM)
    else:
        for path in setup.plan.shown:
            rules.allow_executing(path)
        for name in plans.ETC_NETWORK if setup.network == HOST_NETWORK else ():
            rules.allow_reading(f"/etc/{name}")
        rules.allow_reading("/proc")
        if setup.uid:
            rules.allow_writing(SHM)  # others' files there are not its user's
    for path in plans.DEVICES:
        rules.allow_device(path)
    return rules


def _forget_signals() -> None:
    """Undo what Python and the supervisor arranged: signal dispositions survive an exec."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in SIGNALS:
        if _signal.getsignal(number) != _signal.SIG_DFL:
            _signal.signal(number, _signal.SIG_DFL)


def _place_descriptors(ends: Ends) -> None:
    """Leave exactly 0, 1, 2, `REPORT` and `GO` open."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    high = [os.dup(fd) for fd in (nothing, ends.stdout, ends.stderr, ends.report, ends.go)]
    while min(high) <= GO:
        high = [os.dup(fd) for fd in high]
    for target, fd in enumerate(high):
        os.dup2(fd, target, inheritable=target < REPORT)
    os.closerange(GO + 1, DESCRIPTORS_END)
