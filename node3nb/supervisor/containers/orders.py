"""What the kernel asks to be run in a container, as both sides know it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from node3nb.supervisor.orders import Ordered

#: Where a job finds its directories in the container.
INPUT, OUTPUT, WORK = "/input", "/output", "/job"


@dataclass(frozen=True, slots=True)
class ContainerOrder(Ordered):
    """One job to run in a container, every path absolute."""

    #: Unix socket of the engine.
    engine: str
    #: Id of the image, as the engine knows it.
    image: str
    #: Whether the image has an entrypoint, which is given the command.
    entrypoint: bool
    #: Where the image would have volumes made.
    volumes: tuple[str, ...]
    #: Variables added to those of the image.
    env: dict[str, str]
    #: User and group it runs as, as `uid:gid`; empty takes one that stands for no account.
    user: str
    #: Requests for GPUs, as the engine reads them.
    device_requests: tuple[dict[str, Any], ...]
    #: Groups it is in beside its own, for its devices.
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
