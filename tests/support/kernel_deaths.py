"""Processes that have to die, and the moment they have."""

from __future__ import annotations

import os
import select
import time

import psutil

#: Seconds that anything awaited here may take.
BOUND_S = 10.0
#: Seconds that something slow to begin may take: jobs run at idle priority.
BEGIN_S = 60.0


class Deaths:
    """Watches processes from now on; a zombie counts as dead, as its parent may be slow."""

    def __init__(self, pids: list[int]) -> None:
        self._watched = {os.pidfd_open(pid): pid for pid in pids}

    def alive(self) -> list[int]:
        """Return those that live."""
        ended = self._ended(0.0)
        return [pid for fd, pid in self._watched.items() if fd not in ended]

    def wait(self, bound_s: float = BOUND_S) -> float:
        """Wait until all are dead and return the seconds that took."""
        began = time.monotonic()
        while alive := self.alive():
            left_s = bound_s - (time.monotonic() - began)
            assert left_s > 0, f"still alive after {bound_s} s: {[_named(pid) for pid in alive]}"
            self._ended(min(left_s, 0.05), alive)
        return time.monotonic() - began

    def close(self) -> None:
        for fd in self._watched:
            os.close(fd)

    def _ended(self, wait_s: float, pids: list[int] | None = None) -> set[int]:
        poll = select.poll()
        for fd, pid in self._watched.items():
            if pids is None or pid in pids:
                poll.register(fd, select.POLLIN)
        return {fd for fd, _ in poll.poll(wait_s * 1000)}


def below(pid: int) -> list[psutil.Process]:
    """Return every process below one."""
    return psutil.Process(pid).children(recursive=True)


def await_marked(pid: int, mark: str) -> psutil.Process:
    """Wait until a process below `pid` carries the mark on its command line, and return it."""
    deadline = time.monotonic() + BEGIN_S
    while time.monotonic() < deadline:
        for process in below(pid):
            if mark in _command(process):
                return process
        time.sleep(0.02)
    raise AssertionError(f"no process marked {mark}: {[_command(each) for each in below(pid)]}")


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _named(pid: int) -> str:
    try:
        return f"{pid} {psutil.Process(pid).cmdline()}"
    except psutil.Error:
        return str(pid)
