"""What a job needs at least, and what an agent has at most."""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields

from node3nb.jobs import JobSpec
from node3nb.marketplace.wire.protocol import AvailableQuery, JobSubmission

#: More than any job needs; stands for what an agent did not say.
UNSAID = 1 << 50


@dataclass(frozen=True, slots=True)
class Resources:
    """Quantities of which an agent must have as much as a job needs, each."""

    #: Memory of one GPU, in bytes.
    gpu_memory: int
    #: GPUs.
    gpus: int
    #: Cores.
    cpus: float
    #: Memory, in bytes.
    memory: int
    #: Strength of the isolation level.
    isolation: int
    #: 1 for a container engine, else 0.
    container: int

    def cover(self, needs: Resources) -> bool:
        """Whether who has this can run what needs that."""
        return all(getattr(needs, name) <= getattr(self, name) for name in _NAMES)

    @property
    def shape(self) -> str:
        """All of it as one word; jobs of one shape stand in one row of the queue."""
        return ",".join(str(getattr(self, name)) for name in _NAMES)


_NAMES = tuple(field.name for field in fields(Resources))


@functools.lru_cache(maxsize=4096)
def of_shape(shape: str) -> Resources:
    """Return what a shape stands for."""
    gpu_memory, gpus, cpus, memory, isolation, container = shape.split(",")
    return Resources(
        int(gpu_memory), int(gpus), float(cpus), int(memory), int(isolation), int(container)
    )


def needs_of(submission: JobSubmission, spec: JobSpec) -> Resources:
    """Return what a submitted job needs."""
    isolation = spec.requirements.isolation
    return Resources(
        gpu_memory=spec.requirements.gpu_memory_bytes,
        gpus=spec.requirements.gpus,
        cpus=float(spec.limits.cpus),
        memory=submission.requirements.memory_bytes or 0,
        isolation=0 if isolation is None else isolation.strength,
        container=int(spec.requirements.container),
    )


def offered_by(query: AvailableQuery) -> Resources:
    """Return what an agent has; a base agent says only the memory of its GPU."""
    return Resources(
        gpu_memory=query.gpu_memory,
        gpus=UNSAID if query.gpu_memory else 0,
        cpus=query.cpu_count or UNSAID,
        memory=UNSAID if query.memory_bytes is None else query.memory_bytes,
        isolation=UNSAID if query.isolation is None else query.isolation.strength,
        container=UNSAID if query.executors is None else int("container" in query.executors),
    )
