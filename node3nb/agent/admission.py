"""Whether this machine takes a job, and on which executor."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from node3nb.agent.quota import LiveQuota
from node3nb.agent.settings import Settings
from node3nb.containers.policy import is_plain_python
from node3nb.errors import ConfigError, JobRefused
from node3nb.executor import Executor, choose, not_stopped_at
from node3nb.jobs import GIB, Isolation, JobSpec, Network
from node3nb.marketplace.client.address import host_of, is_loopback


@dataclass(frozen=True, slots=True)
class Offering:
    """What this machine runs jobs with."""

    #: Names of the executors, in the owner's order.
    executors: list[str]
    #: Strongest isolation level among them; None when it is not known or there is none.
    isolation: Isolation | None
    #: What jobs may do all the same at some level here, each as the end of "a job may ...".
    not_stopped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Admitted:
    """What is to run a job, and why."""

    #: The executor.
    executor: Executor
    #: One sentence for the owner.
    why: str
    #: Isolation level it will run at.
    isolation: Isolation | None


class Admission:
    """The owner's rules, applied to one offer at a time."""

    def __init__(
        self, quota: LiveQuota, settings: Settings, executors: Sequence[Executor], gpu_memory: int
    ) -> None:
        self._quota = quota
        self._settings = settings
        self._executors = executors
        self._gpu_memory = gpu_memory
        self._offering = Offering([], None)
        #: Those that are good enough for the marketplace that is served.
        self._fit = list(executors)

    def offering(self) -> Offering:
        """Return what `check_executors` found."""
        return self._offering

    def refresh(self) -> None:
        """Find out anew what runs jobs here: an engine may have come or gone."""
        found = [executor.available() for executor in self._fit]
        usable = [each for each in found if each.isolation is not None]
        if not usable:
            self._offering = Offering([], None)
            return
        best = max(usable, key=lambda each: each.isolation.strength if each.isolation else -1)
        names = [each.executor for each in usable]
        gaps = dict.fromkeys(gap for each in usable for gap in not_stopped_at(each))
        self._offering = Offering(names, best.isolation, tuple(gaps))

    def check_executors(self, marketplace_url: str) -> None:
        """Find out what runs jobs here, and whether it is good enough for strangers' ones.

        Raises
        ------
        ConfigError
            Nothing runs jobs here, or the owner has not allowed a level as weak as this.
        """
        found = [executor.available() for executor in self._executors]
        usable = [each for each in found if each.isolation is not None]
        if not usable:
            reasons = " ".join(f"{each.executor}: {each.reason}" for each in found)
            raise ConfigError(f"Nothing here can run jobs. {reasons}".strip())
        trusted = is_loopback(host_of(marketplace_url)) or self._settings.allow_weak_isolation
        weak = {each.executor for each in usable if each.isolation is Isolation.LIMITS}
        if not trusted:
            self._fit = [each for each in self._executors if each.name not in weak]
        self.refresh()
        if not self._offering.executors:
            raise ConfigError(
                "Jobs would run at isolation level limits, which is not for strangers; if you "
                "trust all who submit there, say allow_weak_isolation=True "
                "(--allow-weak-isolation)."
            )

    def admit(self, spec: JobSpec, running: Iterable[JobSpec]) -> Admitted:
        """Return what is to run the job.

        Raises
        ------
        JobRefused
            Why it is not taken, in a sentence.
        """
        self._check_machine(spec)
        self._check_room(spec, running)
        if spec.requirements.network is Network.HOST and not self._settings.allow_host_network:
            raise JobRefused("It asks for the host's network; allow_host_network is off.")
        plain = not spec.requirements.container and is_plain_python(spec.image)
        prefer_native = plain and self._settings.containers.prefer_native
        choice = choose(spec, self._fit, prefer_native=prefer_native)
        if choice.executor is None:
            raise JobRefused(choice.why)
        return Admitted(choice.executor, choice.why, choice.isolation)

    def _check_machine(self, spec: JobSpec) -> None:
        needs, limits = spec.requirements, spec.limits
        cores = self._quota.now.cpus
        if limits.cpus > cores:
            raise JobRefused(f"It asks for {limits.cpus:g} cores; here are {cores}.")
        if needs.gpus and not self._gpu_memory:
            raise JobRefused("It asks for a GPU; none was found here.")
        if needs.gpu_memory_bytes > self._gpu_memory:
            asked, here = needs.gpu_memory_bytes / GIB, self._gpu_memory / GIB
            raise JobRefused(f"It asks for {asked:.3g} GiB of GPU memory; here are {here:.3g}.")

    def _check_room(self, spec: JobSpec, running: Iterable[JobSpec]) -> None:
        """Refuse what does not fit beside the jobs that run into what the owner gives to jobs."""
        others, quota = list(running), self._quota.now
        memory = quota.memory_bytes - sum(each.limits.memory_bytes for each in others)
        if spec.limits.memory_bytes > memory:
            asked, here = spec.limits.memory_bytes / GIB, max(memory, 0) / GIB
            raise JobRefused(
                f"It asks for {asked:.3g} GiB of memory; {here:.3g} are free for jobs."
            )
        cores = quota.cpus - sum(_cores(each) for each in others)
        # All cores of the machine are shared by its scheduler, as are those of any two programs.
        if quota.cpus < self._quota.most.cpus and _cores(spec) > cores:
            told = f"It asks for {_cores(spec)} cores; {max(cores, 0)} are free for jobs."
            raise JobRefused(told)
        gpus = quota.gpus - sum(_gpus(each) for each in others)
        if _gpus(spec) > gpus:
            raise JobRefused(f"It asks for {_gpus(spec)} GPUs; {max(gpus, 0)} are free for jobs.")


def _cores(spec: JobSpec) -> int:
    return math.ceil(spec.limits.cpus)


def _gpus(spec: JobSpec) -> int:
    """Return the GPUs a job takes; one that only names their memory takes one."""
    return spec.requirements.gpus or int(spec.requirements.gpu_memory_bytes > 0)
