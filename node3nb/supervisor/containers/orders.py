"""What the kernel asks to be run in a container, as both sides know it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: Where a job finds its directories in the container.
INPUT, OUTPUT, WORK = "/input", "/output", "/job"


@dataclass(frozen=True, slots=True)
class ContainerOrder:
    """One job to run in a container, every path absolute and every limit a number."""

    #: The job's id.
    job: str
    #: Unix socket of the engine.
    engine: str
    #: Id of the image, as the engine knows it.
    image: str
    #: Whether the image has an entrypoint, which is given the command.
    entrypoint: bool
    #: Where the image would have volumes made.
    volumes: tuple[str, ...]
    #: The command, for the entrypoint where there is one.
    argv: tuple[str, ...]
    #: Variables added to those of the image.
    env: dict[str, str]
    #: Directory removed with the job when the kernel is gone.
    root: str
    #: What the job reads.
    input: str
    #: What it leaves.
    output: str
    #: Its working directory.
    work: str
    #: Directory for the files `stdout` and `stderr`.
    log: str
    #: Its network: `none` or `host`.
    network: str
    #: User and group it runs as, as `uid:gid`; empty takes one that stands for no account.
    user: str
    #: Requests for GPUs, as the engine reads them.
    device_requests: tuple[dict[str, Any], ...]
    #: Devices of the host it is given.
    devices: tuple[str, ...]
    #: Groups it is in beside its own, for those devices.
    groups: tuple[str, ...]
    #: Whether its directories need a label of SELinux.
    relabel: bool
    #: Whether the engine has a first process to put before the job.
    init: bool
    #: Whether the next job of the same kind may find a container that waits.
    prepare: bool
    #: Whether the engine's processes are this kernel's.
    same_kernel: bool
    #: Cores granted; a fraction is a share of time.
    cpus: float
    #: Memory and swap of the container, in bytes.
    memory_bytes: int
    #: Bytes on disk in the writable directories.
    disk_bytes: int
    #: Files and directories in the writable directories.
    disk_files: int
    #: Wall-clock limit in seconds.
    timeout_s: float
    #: Processes and threads of the container.
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
        return (self.output, self.work)

    @property
    def kind(self) -> tuple[object, ...]:
        """What has to be the same for a container that waits to be of use."""
        return (
            self.engine,
            self.image,
            self.volumes,
            self.network,
            self.user,
            str(self.device_requests),
            self.devices,
            self.cpus,
            self.memory_bytes,
            self.disk_bytes,
            self.processes,
        )

    def to_frame(self) -> dict[str, Any]:
        """Return the message that carries this order."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_frame(cls, frame: dict[str, Any]) -> ContainerOrder:
        """Return the order a message carries."""
        return cls(**frame)
