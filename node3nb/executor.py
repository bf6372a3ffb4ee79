"""What every executor offers, and which one a job goes to."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from node3nb.attack_classes import not_stopped
from node3nb.files.workspace import Workspace
from node3nb.jobs import Isolation, JobResult, JobSpec, JobState


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether an executor can run jobs here and now, and how well."""

    #: Name of the executor: native or container.
    executor: str
    #: Whether it can take jobs.
    available: bool
    #: One sentence: what was found, or what is missing and what to do.
    reason: str
    #: Level its jobs run at; None when it takes none.
    isolation: Isolation | None = None
    #: What keeps a job below its memory limit: cgroup, monitor or engine; empty when it takes none.
    memory_enforced_by: str = ""
    #: Protections that are on, the level's own name first.
    layers: tuple[str, ...] = ()
    #: Least memory a job can be limited to, in bytes: below, no interpreter starts.
    least_memory_bytes: int = 0


def not_stopped_at(has: Availability) -> tuple[str, ...]:
    """Return what its jobs may do all the same, each as the end of "a job may ..."."""
    if has.isolation is None or has.isolation is Isolation.CONTAINER:
        return ()
    found = not_stopped(
        has.isolation,
        root=hasattr(os, "geteuid") and os.geteuid() == 0,
        cgroup="cgroup" in has.layers,
        seccomp="seccomp" in has.layers,
        own_user="own-user" in has.layers,
    )
    return tuple(each.told for each in found)


class Reporter(Protocol):
    """How a running job tells what happens to it, and learns that it should end."""

    @property
    def cancelled(self) -> threading.Event:
        """Set when somebody asked for the job's end."""

    def state(self, state: JobState) -> None:
        """Take note of the job's next state."""

    def usage(self, memory_bytes: int, cpu_s: float) -> None:
        """Take note of what the running job uses now."""

    def note(self, text: str) -> None:
        """Take note of a step of its preparation, in a sentence for the owner."""


class SilentReporter:
    """A reporter nobody listens to."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()

    def state(self, state: JobState) -> None:
        """Take note of nothing."""

    def usage(self, memory_bytes: int, cpu_s: float) -> None:
        """Take note of nothing."""

    def note(self, text: str) -> None:
        """Take note of nothing."""


class Executor(Protocol):
    """Runs one job's command in its workspace; called from many threads at once."""

    name: str

    def available(self, spec: JobSpec | None = None) -> Availability:
        """Return whether it can run jobs now, or this one where that makes a difference."""

    def run(self, spec: JobSpec, workspace: Workspace, reporter: Reporter) -> JobResult:
        """Run the command to its end and return how it ended.

        Raises
        ------
        ExecutorError
            The command could not be run for a reason of ours.
        """

    def cancel(self, job_id: str) -> None:
        """Ask for the end of one job, on the stopping ladder; returns at once."""

    def close(self) -> None:
        """End every job and release what the executor holds."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which executor a job goes to, and why; `executor` is None when there is none for it."""

    #: The executor chosen.
    executor: Executor | None
    #: One sentence for the owner and for the result.
    why: str
    #: Isolation level the job will run at; None when there is no executor for it.
    isolation: Isolation | None = None


def choose(spec: JobSpec, executors: Sequence[Executor], *, prefer_native: bool = False) -> Choice:
    """Return the first executor, in the owner's order, that meets what the job requires.

    Parameters
    ----------
    spec
        The job.
    executors
        What there is, the owner's first choice first.
    prefer_native
        Whether the native one comes first for this job.
    """
    reasons: list[str] = []
    order = sorted(executors, key=lambda each: prefer_native and each.name != "native")
    for executor in order:
        availability = executor.available(spec)
        shortfall = _shortfall(spec, availability)
        if not shortfall:
            why = " ".join([f"{executor.name}: {availability.reason}", *reasons])
            return Choice(executor, why, availability.isolation)
        reasons.append(f"{executor.name}: {shortfall}")
    return Choice(None, " ".join(reasons) or "No executor is turned on; allow native execution.")


def _shortfall(spec: JobSpec, has: Availability) -> str:
    needs = spec.requirements
    if not has.available or has.isolation is None:
        return has.reason
    if needs.container and has.isolation is not Isolation.CONTAINER:
        return "the job needs a container of its own image."
    if needs.isolation is not None and has.isolation.strength < needs.isolation.strength:
        return f"the job asks for isolation {needs.isolation}; here there is {has.isolation}."
    if spec.limits.memory_bytes < has.least_memory_bytes:
        return too_little(has.least_memory_bytes)
    return ""


def too_little(least: int) -> str:
    """Return why a job with less memory than `least` bytes is not run."""
    return f"memory_bytes: an interpreter needs {least >> 20} MiB; ask for that or more."
