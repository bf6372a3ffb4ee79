"""What the kernel asks the supervisor to run, as both sides know it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


class Caps(Protocol):
    """What a limit is named from, however the job is run."""

    @property
    def memory_bytes(self) -> int:
        """Memory of the whole job, in bytes."""

    @property
    def disk_bytes(self) -> int:
        """Bytes on disk in the writable directories."""

    @property
    def disk_files(self) -> int:
        """Files and directories in the writable directories."""


@dataclass(frozen=True, slots=True)
class Order:
    """One job to run, every path absolute and every limit a number."""

    #: The job's id.
    job: str
    #: Program and arguments.
    argv: tuple[str, ...]
    #: The job's whole environment.
    env: dict[str, str]
    #: Directory removed with the job when the kernel is gone.
    root: str
    #: Directory, on the same file system, below which this provider's jobs have theirs.
    area: str
    #: What the job reads.
    input: str
    #: What it leaves.
    output: str
    #: Its working directory.
    work: str
    #: Its temporary directory.
    tmp: str
    #: Directory for the files `stdout` and `stderr`.
    log: str
    #: Its network: `none` or `host`.
    network: str
    #: Devices of the host it is given.
    devices: tuple[str, ...]
    #: Whether it may run in a Python that has started already.
    warm: bool
    #: Whole cores granted.
    cores: int
    #: Memory of the tree, in bytes.
    memory_bytes: int
    #: Bytes on disk in the writable directories.
    disk_bytes: int
    #: Files and directories in the writable directories.
    disk_files: int
    #: Wall-clock limit in seconds.
    timeout_s: float
    #: Processes and threads of the tree.
    processes: int
    #: Bytes kept of each log.
    log_bytes: int
    #: Seconds from the polite signal to the kill.
    grace_s: float
    #: When it was asked for, on the monotonic clock all processes share, in nanoseconds.
    asked_ns: int

    @property
    def writable(self) -> tuple[str, ...]:
        """Directories whose content counts as written by the job."""
        return (self.output, self.work, self.tmp)

    def to_frame(self) -> dict[str, Any]:
        """Return the message that carries this order."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_frame(cls, frame: dict[str, Any]) -> Order:
        """Return the order a message carries."""
        return cls(**frame)


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
