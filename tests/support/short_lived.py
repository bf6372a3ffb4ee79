"""Processes that a test forks, and that never outlive it by much."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from node3nb.supervisor.kernel.cgroups import Group

#: Seconds after which each ends by itself, whatever becomes of the test, and for which it sleeps.
LIFE_S = 30


@contextmanager
def child(act: Callable[[], object], group: Group | None = None) -> Iterator[int]:
    """A process that does something once it is in the group."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        code = 1
        with suppress(BaseException):
            signal.alarm(LIFE_S)
            os.read(reader, 1)
            act()
            code = 0
        os._exit(code)
    try:
        if group is not None:
            group.enter(pid)
        os.write(writer, b"x")
        yield pid
    finally:
        os.close(reader)
        os.close(writer)
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def sleep() -> None:
    time.sleep(LIFE_S)
