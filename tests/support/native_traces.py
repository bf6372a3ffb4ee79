"""A sharp eye for the processes of a job: whatever it is told to forget, something shows it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

#: Named in the environment of every job; a job in a warm Python has that Python's environment,
#: and is known by its root or its working directory.
MARK = "NODE3_TEST_MARK"
#: Where a job at level `namespaces` has its working directory.
MOUNTED = "job"


@dataclass(frozen=True, slots=True)
class Trace:
    """By what all processes of one job are known."""

    mark: str
    #: The job's working directory on the host, and its device and inode.
    directory: Path
    identity: tuple[int, int]

    @classmethod
    def of(cls, mark: str, directory: Path) -> Trace:
        """Return the trace of a job whose directory is still there."""
        status = directory.stat()
        return cls(mark, directory, (status.st_dev, status.st_ino))

    def living(self) -> list[int]:
        """Return every living process of the job, the first of its namespace included."""
        return [pid for pid in _pids() if self._shows(pid) and not _dead(pid)]

    def started(self) -> list[int]:
        """Return the living processes of the job that run its program."""
        return [pid for pid in self.living() if not _is_first(pid)]

    def _shows(self, pid: int) -> bool:
        return self.mark.encode() in _environ(pid) or self._is_rooted(pid) or self._is_inside(pid)

    def _is_rooted(self, pid: int) -> bool:
        """Whether the process sees the job's directory where only the job does."""
        known = _identity(str(self.directory)) or self.identity  # it may have been exchanged
        return any(
            known == _identity(os.path.join(f"/proc/{pid}/task/{thread}", "root", MOUNTED))
            for thread in _listed(f"/proc/{pid}/task")
        )

    def _is_inside(self, pid: int) -> bool:
        return any(
            self.directory in (where, *where.parents)
            for thread in _listed(f"/proc/{pid}/task")
            for where in _working_directory(pid, thread)
        )


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _working_directory(pid: int, thread: str) -> list[Path]:
    try:
        return [Path(os.readlink(f"/proc/{pid}/task/{thread}/cwd"))]
    except OSError:
        return []


def _environ(pid: int) -> bytes:
    """Return a process's environment; that of a living thread when its first has ended."""
    for thread in _listed(f"/proc/{pid}/task"):
        try:
            environ = Path(f"/proc/{pid}/task/{thread}/environ").read_bytes()
        except OSError:
            continue
        if environ:
            return environ
    return b""


def _listed(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []


def _dead(pid: int) -> bool:
    states = [status(pid, thread, "State") for thread in _listed(f"/proc/{pid}/task")]
    return all(not state or state[0] in "ZX" for state in states)


def _is_first(pid: int) -> bool:
    """Whether it is the first process of a process namespace."""
    inside = status(pid, pid, "NSpid").split()
    return len(inside) > 1 and inside[-1] == "1"


def status(pid: int, thread: int | str, field: str) -> str:
    """Return one field of /proc/PID/task/TID/status, or "" when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/task/{thread}/status").read_text().splitlines()
    except OSError:
        return ""
    return next(line.split(":", 1)[1].strip() for line in lines if line.startswith(field + ":"))
