"""A job that the supervisor keeps itself: the kernel ends all of it with its first process."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import selectors
import signal
from collections.abc import Callable

from node3nb.supervisor.berth import Berth, First
from node3nb.supervisor.frames import Frame
from node3nb.supervisor.keeper import Keeper
from node3nb.supervisor.kept import Kept
from node3nb.supervisor.orders import Grant, Order
from node3nb.supervisor.sandbox.build import SandboxError
from node3nb.supervisor.streams import Selector
from node3nb.supervisor.watch import could_not_watch

#: What somebody else was told that a process has used (getrusage(2)).
NOTHING_USED = (0.0,) * 16
_READ = selectors.EVENT_READ


class Ward(Kept):
    """A sandbox that the warm Python has built for us, and its job.

    Parameters
    ----------
    berth
        The sandbox, which is on its way to wait for its job.
    first
        Returns its first process; waits for it if it has to.
    selector
        What calls us when something is heard of it.
    told
        Called with what there is to tell of the job.
    gone
        Called once nothing is left of the sandbox.
    """

    def __init__(
        self,
        berth: Berth,
        first: First,
        selector: Selector,
        told: Callable[[Ward, Frame], None],
        gone: Callable[[Ward], None],
    ) -> None:
        super().__init__()
        self._berth = berth
        self._first = first
        self._selector = _Guarded(selector, self._fail)
        self._told = told
        self._gone = gone
        self._grant = Grant((), 0)
        self._cancelled = False
        self._keeper: Keeper | None = None
        #: Whether it ended before it could begin with its job.
        self.unused = True
        self._end: tuple[int, resource.struct_rusage] | None = None
        self._pidfd = -1
        self._taken = True
        self._selector.register(berth.sandbox.report, _READ, self._hear_ready)

    def employ(self, order: Order, grant: Grant) -> None:
        """Give it its job, which begins as soon as the sandbox is ready."""
        self.order, self.cores, self._grant = order, grant.cores, grant
        if self.layers:
            self._selector.guard(self._begin)()

    def cancel(self) -> None:
        """Ask for the end of the job."""
        self._cancelled = True
        if self._keeper is not None:
            self._keeper.cancel()

    def dismiss(self) -> None:
        """Have it end, since no job comes any more."""
        with contextlib.suppress(OSError):
            self._meet()
        self._berth.sandbox.kill()

    def let_go(self) -> None:
        """Close our descriptors of it, in a fork of ours."""
        self._berth.let_go()
        if self._pidfd >= 0:
            os.close(self._pidfd)

    def wait_s(self) -> float | None:
        """Return in how many seconds it has to be looked at, at the most; None is for ever."""
        if self._keeper is None:
            return None
        return self._keeper.wait_s() if self._end is None else 0.0

    def turn(self) -> None:
        """Measure what is due, and account for the job once nothing of it lives."""
        self._selector.guard(self._turn)()

    def _turn(self) -> None:
        if self._keeper is None:
            return
        if self._end is not None:
            if self._keeper.count():
                self._finish()
            return
        self._keeper.turn()
        if self._keeper.exhausted:
            self._berth.sandbox.kill()

    def _hear_ready(self) -> None:
        self._selector.unregister(self._berth.sandbox.report)
        try:
            self._meet()
        except OSError:
            self._leave()
            return
        try:
            self._berth.ready()
        except (SandboxError, OSError) as error:
            self.unbuilt = getattr(error, "strerror", None) or str(error)
            self.unused = False
            self._berth.sandbox.kill()
            return
        self.layers = self._berth.layers
        if self.order is not None:
            self._begin()

    def _meet(self) -> None:
        """Learn the first process of the sandbox, which is a child of ours.

        Raises
        ------
        OSError
            There is none: nothing was built.
        """
        if not self.pid:
            self.pid = self._first()
            self._berth.sandbox.born(self.pid)
            self._pidfd = os.pidfd_open(self.pid)
            self._selector.register(self._pidfd, _READ, self._bury)

    def _begin(self) -> None:
        """Let the job begin, unless the sandbox has died while it waited."""
        if self.order is None or select.select([self._pidfd], [], [], 0)[0]:
            return
        self.unused = False
        self._keeper = Keeper(self.order, self._grant, self._berth, self._selector, self._tell)
        self._keeper.begin()
        if self._cancelled:
            self._keeper.cancel()

    def _tell(self, frame: Frame, *, droppable: bool = False) -> None:
        del droppable  # the supervisor decides
        self._told(self, frame)

    def _bury(self) -> None:
        try:
            _, status, used = os.wait4(self.pid, 0)
        except ChildProcessError:  # a hunt for strays has buried it
            status, used = signal.SIGKILL, resource.struct_rusage(NOTHING_USED)
        self._selector.unregister(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        self._end = self._berth.sandbox.status(status), used
        if self._keeper is None:
            self._leave()
        else:
            self._turn()

    def _finish(self) -> None:
        keeper, end = self._keeper, self._end
        self._keeper = None
        if keeper is not None and end is not None:
            keeper.report(*end)
        self._leave()

    def _leave(self) -> None:
        self._selector.forget()
        self._gone(self)

    def give_back(self) -> None:
        """Release what was taken for the sandbox, once nothing lives in it."""
        taken, self._taken = self._taken, False
        if taken:
            with contextlib.suppress(OSError):
                self._berth.give_back()

    def _fail(self, error: Exception) -> None:
        """End the job when something is wrong with us: that is its account."""
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None
        self.ended = self.ended or self.account(could_not_watch(error))
        if self._end is None:
            self._berth.sandbox.kill()
        else:
            self._leave()


class _Guarded:
    """A selector for one ward, whose failures are its own and end nothing else."""

    def __init__(self, selector: Selector, fail: Callable[[Exception], None]) -> None:
        self._selector = selector
        self._fail = fail
        self._fds: set[int] = set()

    def register(self, fd: int, events: int, data: Callable[[], None]) -> None:
        self._selector.register(fd, events, self.guard(data))
        self._fds.add(fd)

    def unregister(self, fd: int) -> None:
        if fd in self._fds:
            self._fds.remove(fd)
            self._selector.unregister(fd)

    def forget(self) -> None:
        """Listen to nothing any more."""
        for fd in tuple(self._fds):
            self.unregister(fd)

    def guard(self, work: Callable[[], None]) -> Callable[[], None]:
        """Return the same work, after whose failure the ward's job is ended."""

        def guarded() -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - nobody else is there to tell
                self._fail(error)

        return guarded
