"""What is left of the processes that a run has started."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import psutil

#: Seconds that what has to end by itself gets for it.
END_S = 60.0


def left() -> list[psutil.Process]:
    """Return all that lives below this process, orphans too: it has adopted them."""
    below = psutil.Process().children(recursive=True)
    return [process for process in below if _lives(process)]


def await_none(living: Callable[[], list[psutil.Process]], whose: str) -> None:
    """Wait until nothing lives any more that should end by itself."""
    deadline = time.monotonic() + END_S
    while alive := living():
        told = [describe(process) for process in alive]
        assert time.monotonic() < deadline, f"{whose}: still there: {told}"
        time.sleep(0.05)


def alive_of(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return those that live; what waits to be buried does not."""
    return [process for process in processes if _lives(process)]


def describe(process: psutil.Process) -> str:
    """Return a process in words."""
    with contextlib.suppress(psutil.Error):
        return f"{process.pid} {process.status()} {' '.join(process.cmdline())[:200]}"
    return str(process.pid)


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
