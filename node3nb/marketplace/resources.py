"""What a job needs at least, and what an agent has at most: one rule, in Python and in SQL."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa

from node3nb.jobs import JobSpec
from node3nb.marketplace.protocol import AvailableQuery, JobSubmission
from node3nb.marketplace.schema import jobs

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

    def as_needs(self) -> dict[str, Any]:
        """Return what a row of `jobs` says of it."""
        return {f"needs_{name}": getattr(self, name) for name in _NAMES}

    def as_offer(self) -> dict[str, Any]:
        """Return what `COVERED` compares the rows of `jobs` with."""
        return {f"has_{name}": getattr(self, name) for name in _NAMES}


_NAMES = tuple(field.name for field in fields(Resources))

#: The rule of `Resources.cover` as a condition on the rows of `jobs`.
COVERED = sa.and_(*(jobs.c[f"needs_{name}"] <= sa.bindparam(f"has_{name}") for name in _NAMES))


def needs_of_row(row: sa.Row[Any]) -> Resources:
    """Return what the job of a row needs."""
    return Resources(*(getattr(row, f"needs_{name}") for name in _NAMES))


def needs_of(submission: JobSubmission, spec: JobSpec) -> Resources:
    """Return what a submitted job needs."""
    isolation = spec.requirements.isolation
    return Resources(
        gpu_memory=spec.requirements.gpu_memory_bytes,
        gpus=spec.requirements.gpus,
        cpus=spec.limits.cpus,
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
