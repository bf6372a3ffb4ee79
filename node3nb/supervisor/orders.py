"""What the kernel asks the supervisor to run, as both sides know it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Ordered:
    """What every job is ordered with, however it is run; each limit is a number."""

    #: The job's id.
    job: str
    #: Program and arguments; in a container, for the image's entrypoint where there is one.
    argv: tuple[str, ...]
    #: Directory removed with the job when the kernel is gone.
    root: str
    #: What it reads.
    input: str
    #: What it leaves.
    output: str
    #: Its working directory.
    work: str
    #: Directory for the files `stdout` and `stderr`.
    log: str
    #: Its network: `none` or `host`.
    network: str
    #: Devices of the host it is given.
    devices: tuple[str, ...]
    #: Memory of the whole job, in bytes; in a container, with swap.
    memory_bytes: int
    #: Bytes on disk in the writable directories.
    disk_bytes: int
    #: Files and directories in the writable directories.
    disk_files: int
    #: Wall-clock limit in seconds.
    timeout_s: float
    #: Processes and threads of the job.
    processes: int
    #: Bytes kept of each log.
    log_bytes: int
    #: Seconds from the polite signal to the kill.
    grace_s: float
    #: When it was asked for, on the monotonic clock all processes share, in nanoseconds.
    asked_ns: int

    def to_frame(self) -> dict[str, Any]:
        """Return the message that carries this order."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_frame(cls, frame: dict[str, Any]) -> Self:
        """Return the order a message carries."""
        return cls(**frame)


@dataclass(frozen=True, slots=True)
class Order(Ordered):
    """One job to run, every path absolute."""

    #: The job's whole environment.
    env: dict[str, str]
    #: Directory, on the same file system, below which this provider's jobs have theirs.
    area: str
    #: Its temporary directory.
    tmp: str
    #: Whether it may run in a Python that has started already.
    warm: bool
    #: Whole cores granted.
    cores: int

    @property
    def writable(self) -> tuple[str, ...]:
        """Directories whose content counts as written by the job."""
        return (self.output, self.work, self.tmp)


@dataclass(frozen=True, slots=True)
class Grant:
    """What the supervisor gives a job beside what its order says."""

    #: Cores to run on; empty leaves the choice to the scheduler.
    cores: tuple[int, ...]
    #: Processes and threads the user has without the job.
    owner_tasks: int
    #: What the job's processes are marked with, see `marks`; 0 for nothing.
    mark: int = 0

    def to_frame(self) -> dict[str, Any]:
        """Return the grant as plain data."""
        return {name: getattr(self, name) for name in self.__slots__}
