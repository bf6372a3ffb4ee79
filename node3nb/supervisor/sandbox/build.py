"""A sandbox from the outside: built by its keeper, told its job, watched to its end."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Any

from node3nb.supervisor import proc
from node3nb.supervisor.kernel import namespaces
from node3nb.supervisor.kernel.cgroups import Group
from node3nb.supervisor.sandbox import init
from node3nb.supervisor.sandbox.children import hear, send, tell, told
from node3nb.supervisor.sandbox.inner import Ends, Inner
from node3nb.supervisor.sandbox.setup import READY, UNPREPARED, Setup
from node3nb.supervisor.sandbox.template import Template


class SandboxError(Exception):
    """A sandbox could not be built; the message names the step that failed."""


class Sandbox:
    """The keeper's side of one sandbox.

    Attributes
    ----------
    top
        Process whose end is the sandbox's: the first of its namespace, else the job's own.
    main
        The job's own process.
    first
        The first process of its process namespace, if it has one.
    stdout, stderr, report
        Descriptors to read: what the job prints, and what became of its start.
    """

    def __init__(self, top: int, pipes: Pipes, *, inside: bool) -> None:
        self.top = top
        self.stdout, self.stderr, self.report = pipes.stdout[0], pipes.stderr[0], pipes.report[0]
        self._go, self._status = pipes.go[1], pipes.status[0]
        self._inside = inside
        self._ended = False
        outcome = hear(self.report)
        if outcome != (READY,):
            os.waitpid(top, 0)
            raise SandboxError(str(outcome[2]) if len(outcome) == 3 else "it ended early")
        self.main = proc.children(top)[0] if self._inside else top
        self.first = top

    def outcome(self) -> tuple[object, ...]:
        """Return what became of the job's start, once that is told: nothing is success."""
        return hear(self.report)

    def go(self, message: dict[str, Any]) -> None:
        """Let the job begin; a sandbox that has died meanwhile shows that by its end."""
        with contextlib.suppress(BrokenPipeError):
            send(self._go, message)
        os.close(self._go)

    def lives(self) -> bool:
        """Return whether the sandbox has survived its waiting."""
        self._ended = os.waitpid(self.top, os.WNOHANG)[0] != 0
        return not self._ended

    def status(self, of_top: int) -> int:
        """Return the wait status of the job, from that of the sandbox's first process."""
        self._ended = True
        if not self._inside:
            return of_top
        with contextlib.suppress(OSError):
            outcome = hear(self._status)
            if outcome and isinstance(outcome[0], int):
                return outcome[0]
        return of_top if os.WIFSIGNALED(of_top) else signal.SIGKILL

    def kill(self) -> None:
        """End all that runs in a process namespace at once; elsewhere there is a tree to kill."""
        if self._inside and not self._ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.top, signal.SIGKILL)


class Pipes:
    """The pipes between a keeper and what it builds: ends to read and to write."""

    def __init__(self) -> None:
        self.stdout, self.stderr, self.report, self.go, self.status = (os.pipe() for _ in range(5))

    def outside(self) -> None:
        """Keep the keeper's ends only."""
        for fd in (self.stdout[1], self.stderr[1], self.report[1], self.go[0], self.status[1]):
            os.close(fd)

    def ends(self) -> Ends:
        """Return the job's ends."""
        return Ends(self.stdout[1], self.stderr[1], self.report[1], self.go[0])


def build(setup: Setup, template: Template | None, group: Group | None) -> Sandbox | Inner:
    """Build a sandbox, in namespaces if there is a template.

    Returns a second time in the job's own process, with that process's side.

    Raises
    ------
    SandboxError
        A layer could not be put on: the sandbox is not used.
    OSError
        The kernel does not let us begin.
    """
    pipes = Pipes()
    if template is not None:
        if template.users is not None:
            namespaces.join(template.users, namespaces.NEWUSER)
        namespaces.unshare(namespaces.NEWPID)
    top = os.fork()
    if top:
        pipes.outside()
        return Sandbox(top, pipes, inside=template is not None)
    try:
        if group is not None:
            group.enter(os.getpid())
        return _within(setup, template, pipes)
    except BaseException as error:  # noqa: BLE001 - the keeper has to know, whatever it is
        tell(pipes.report[1], UNPREPARED, *told(error))
        os._exit(1)


def _within(setup: Setup, template: Template | None, pipes: Pipes) -> Inner:
    """Become the job's process, and at level `namespaces` its first process before."""
    if template is None:
        return Inner(setup, pipes.ends())
    init.enter(setup, template)
    job = os.fork()
    if job:
        init.be(job, pipes.status[1])
    return Inner(setup, pipes.ends())
