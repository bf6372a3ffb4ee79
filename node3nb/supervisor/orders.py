"""What the kernel asks the supervisor to run, as both sides know it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


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
    #: The job's working directory.
    cwd: str
    #: Directory for the files `stdout` and `stderr`.
    log: str
    #: Directories whose content counts as written by the job.
    writable: tuple[str, ...]
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

    def to_frame(self) -> dict[str, Any]:
        """Return the message that carries this order."""
        return {"op": "run", **asdict(self)}

    @classmethod
    def from_frame(cls, frame: dict[str, Any]) -> Order:
        """Return the order a message carries."""
        return cls(**{name: value for name, value in frame.items() if name != "op"})


@dataclass(frozen=True, slots=True)
class Grant:
    """What the supervisor gives a job beside what its order says."""

    #: Cores to run on; empty leaves the choice to the scheduler.
    cores: tuple[int, ...]
    #: Processes and threads the user has without the job.
    owner_tasks: int
