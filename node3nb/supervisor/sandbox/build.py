"""A sandbox from the outside: built by its keeper, told its job, watched to its end."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Any, NoReturn

from node3nb.supervisor import proc
from node3nb.supervisor.kernel import namespaces
from node3nb.supervisor.kernel.cgroup import enter_by
from node3nb.supervisor.sandbox import arrival, init
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
        The job's own process, once it is ready.
    first
        The first process of its process namespace, if it has one.
    stdout, stderr, report
        Descriptors to read: what the job prints, and what became of its start.
    """

    def __init__(self, top: int, pipes: Pipes, *, inside: bool) -> None:
        self.born(top)
        self.stdout, self.stderr, self.report = pipes.stdout[0], pipes.stderr[0], pipes.report[0]
        self._go, self._status = pipes.go[1], pipes.status[0]
        self._held = {self.stdout, self.stderr, self.report, self._go, self._status}
        self._inside = inside
        self._ended = False

    def born(self, top: int) -> None:
        """Take note of its first process, if that was not known before."""
        self.top = self.main = self.first = top

    def await_ready(self) -> None:
        """Wait until it waits for its job.

        Raises
        ------
        SandboxError
            It could not be built; its process ends.
        """
        outcome = hear(self.report)
        if outcome != (READY,):
            raise SandboxError(str(outcome[2]) if len(outcome) == 3 else "it ended early")
        self._find()

    def _find(self) -> None:
        """Find the job's own process."""
        if self._inside:
            try:
                self.main = proc.children(self.top)[0]
            except IndexError:
                raise SandboxError("it ended early") from None

    def outcome(self) -> tuple[object, ...]:
        """Return what became of the job's start, once that is told: nothing is success."""
        return hear(self.report)

    def go(self, message: dict[str, Any]) -> None:
        """Let the job begin; a sandbox that has died meanwhile shows that by its end."""
        with contextlib.suppress(BrokenPipeError):
            send(self._go, message)
        self._close(self._go)

    def close_report(self) -> None:
        """Listen no more to what becomes of its start."""
        self._close(self.report)

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
        if self.top and self._inside and not self._ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.top, signal.SIGKILL)

    def end(self) -> None:
        """Kill and bury it, before it has a job."""
        os.kill(self.top, signal.SIGKILL)
        os.waitpid(self.top, 0)

    def close(self) -> None:
        """Let go of what it was told and heard by."""
        for fd in tuple(self._held):
            self._close(fd)

    def _close(self, fd: int) -> None:
        if fd in self._held:
            self._held.remove(fd)
            os.close(fd)


class Pipes:
    """The pipes between a keeper and what it builds: ends to read and to write."""

    def __init__(self) -> None:
        self.stdout, self.stderr, self.report, self.go, self.status = (os.pipe() for _ in range(5))

    def outside(self) -> None:
        """Keep the keeper's ends only."""
        for fd in self.theirs:
            os.close(fd)

    def close(self) -> None:
        """Close every end."""
        for pipe in (self.stdout, self.stderr, self.report, self.go, self.status):
            for fd in pipe:
                os.close(fd)

    def ends(self) -> Ends:
        """Return the job's ends."""
        return Ends(*self.theirs[:-1])

    @property
    def theirs(self) -> tuple[int, ...]:
        """The sandbox's ends: those of `Ends`, and where its first process tells the status."""
        return self.stdout[1], self.stderr[1], self.report[1], self.go[0], self.status[1]


def build(setup: Setup, template: Template | None) -> Sandbox | Inner:
    """Begin to build a sandbox, in namespaces if there is a template.

    Returns a second time in the job's own process, with that process's side.

    Raises
    ------
    OSError
        The kernel does not let us begin.
    """
    pipes = Pipes()
    if template is not None:
        if template.users is not None:
            namespaces.join(template.users, namespaces.NEWUSER)
        namespaces.unshare(namespaces.NEWPID)
    top = os.fork()
    if not top:
        return _within(setup, template, pipes)
    pipes.outside()
    return Sandbox(top, pipes, inside=template is not None)


def _within(setup: Setup, template: Template | None, pipes: Pipes) -> Inner:
    """Become the job's process, and at level `namespaces` its first process before."""
    try:
        if template is None:
            return Inner(setup, Ends(*pipes.theirs[:-1]))
        init.enter(setup, template)
    except BaseException as error:  # noqa: BLE001 - the keeper has to know, whatever it is
        _tell_unprepared(pipes.report[1], error)
    return begin(setup, pipes.theirs)


def begin(setup: Setup, theirs: tuple[int, ...], doors: tuple[int, ...] = ()) -> Inner:
    """Be the first process of a process namespace; returns in the second, which will be the job.

    Parameters
    ----------
    setup
        The sandbox, whose namespaces these two are in.
    theirs
        Its ends of the pipes.
    doors
        The way into its control group, for the second.
    """
    *ends, status = theirs
    job = os.fork()
    if job:
        init.be(job, status)
    try:
        enter_by(doors)
        arrival.furnish(setup)
    except BaseException as error:  # noqa: BLE001 - the keeper has to know, whatever it is
        _tell_unprepared(ends[2], error)
    return Inner(setup, Ends(*ends))


def _tell_unprepared(report: int, error: BaseException) -> NoReturn:
    tell(report, UNPREPARED, *told(error))
    os._exit(1)
