"""One control group (cgroups(7)): processes that are limited, and can be killed, together."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Self

#: The file that lists the processes of a group, and moves one into it.
PROCESSES = "cgroup.procs"
#: Seconds that a group gets to become empty once its processes are killed.
EMPTYING_S = 2.0
#: Seconds between two looks at a group that is not empty yet, at first and at most.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.0005, 0.02
#: Bytes read of a file of a group: more than any of those read here has.
MOST_BYTES = 1 << 16


class Group(ABC):
    """One group: a directory in every hierarchy it is made of.

    Attributes
    ----------
    directories
        Paths of those, in the order that `Groups` has its homes.
    """

    def __init__(self, directories: Sequence[str]) -> None:
        self.directories = tuple(directories)

    @classmethod
    def make(cls, directories: Sequence[str]) -> Self:
        """Make a new group.

        Raises
        ------
        OSError
            A directory could not be made; none is left.
        """
        made: list[str] = []
        try:
            for directory in directories:
                os.mkdir(directory)
                made.append(directory)
        except OSError:
            cls(made).remove()
            raise
        return cls(made)

    @abstractmethod
    def limit(self, memory_bytes: int, processes: int) -> None:
        """Limit what all its processes have together.

        Parameters
        ----------
        memory_bytes
            Memory and swap in bytes: what is anonymous, shared, in a tmpfs or the kernel's for
            them.  Cached pages of files count too, but are dropped before the limit is felt.
        processes
            Processes and threads.

        Raises
        ------
        OSError
            The kernel refuses.
        """

    @abstractmethod
    def limits(self) -> tuple[int, int]:
        """Return both limits as the kernel has them: bytes, processes and threads."""

    @abstractmethod
    def oom_kills(self) -> int:
        """Return how many processes were killed since the group came to its own memory limit."""

    @abstractmethod
    def memory_bytes(self) -> int:
        """Return the memory it holds now, in bytes: anonymous, shared and swapped.

        Each page counts once, whoever maps it, and cached pages of files not at all.  The
        kernel's own record of a peak has those in it, so that a peak is the largest of these.
        """

    def enter(self, pid: int) -> None:
        """Move one process into the group; those it forks from then on are born there.

        Raises
        ------
        OSError
            It is gone, or not ours to move.
        """
        for directory in self.directories:
            write(directory, PROCESSES, pid)

    def doors(self) -> list[int]:
        """Return descriptors by which a process that can't see the group enters it by itself.

        Raises
        ------
        OSError
            It is gone.
        """
        flags = os.O_WRONLY | os.O_CLOEXEC
        return [os.open(f"{directory}/{PROCESSES}", flags) for directory in self.directories]

    def processes(self) -> set[int]:
        """Return the processes in it, none if it is gone."""
        found: set[int] = set()
        for directory in self.directories:
            with contextlib.suppress(OSError):
                found.update(map(int, read(directory, PROCESSES).split()))
        return found

    def kill(self) -> bool:
        """Kill all that is in it; return whether it became empty in time."""
        deadline, pause_s = time.monotonic() + EMPTYING_S, FIRST_PAUSE_S
        while pids := self.processes():
            if time.monotonic() > deadline:
                return False
            self._kill(pids)
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        return True

    def _kill(self, pids: set[int]) -> None:
        # 0 stands for a process of a namespace that we can't see: its number would be our group's.
        for pid in pids - {0, os.getpid()}:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def remove(self) -> None:
        """Remove it, with what may still live in it; one that can't be is left for the sweep."""
        for directory in self.directories:
            self._remove(directory)

    def _remove(self, directory: str) -> None:
        deadline = time.monotonic() + EMPTYING_S
        while not _removed(directory) and time.monotonic() < deadline:
            self.kill()
            time.sleep(FIRST_PAUSE_S)


def enter_by(doors: Iterable[int]) -> None:
    """Move this process into a group, by the `doors` of that, and close them.

    Raises
    ------
    OSError
        It is gone.
    """
    for door in doors:
        os.write(door, b"0")  # whoever writes (cgroups(7))
        os.close(door)


def _removed(directory: str) -> bool:
    """Remove an empty group; return whether it is gone, or never will be."""
    try:
        os.rmdir(directory)
    except OSError as error:
        return error.errno != errno.EBUSY
    return True


def read(directory: str, name: str) -> str:
    """Return what a file of a group says."""
    fd = os.open(f"{directory}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, MOST_BYTES).decode()
    finally:
        os.close(fd)


def write(directory: str, name: str, value: object) -> None:
    """Write one value into a file of a group; the kernel answers with an error or takes it."""
    fd = os.open(f"{directory}/{name}", os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
    try:
        os.write(fd, str(value).encode())
    finally:
        os.close(fd)


def table(directory: str, name: str) -> dict[str, int]:
    """Return the numbers in a file of lines with a key and a value."""
    pairs = (line.split() for line in read(directory, name).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}
