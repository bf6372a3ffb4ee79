"""Whether this machine takes a job, and on which executor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from node3nb.agent.settings import MEMORY_SHARE, Settings
from node3nb.errors import ConfigError, JobRefused
from node3nb.executor import Executor, choose
from node3nb.hardware import Machine
from node3nb.jobs import GIB, Isolation, JobSpec, Network
from node3nb.marketplace.address import host_of, is_loopback


@dataclass(frozen=True, slots=True)
class Offering:
    """What this machine runs jobs with."""

    #: Names of the executors, in the owner's order.
    executors: list[str]
    #: Strongest isolation level among them; None when it is not known or there is none.
    isolation: Isolation | None


@dataclass(frozen=True, slots=True)
class Admitted:
    """What is to run a job, and why."""

    #: The executor.
    executor: Executor
    #: One sentence for the owner.
    why: str


class Admission:
    """The owner's rules, applied to one offer at a time."""

    def __init__(
        self, machine: Machine, settings: Settings, executors: Sequence[Executor], gpu_memory: int
    ) -> None:
        self._machine = machine
        self._settings = settings
        self._executors = executors
        self._gpu_memory = gpu_memory
        self._offering = Offering([], None)

    def offering(self) -> Offering:
        """Return what `check_executors` found."""
        return self._offering

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
        levels = [each.isolation for each in usable if each.isolation is not None]
        strongest = max(levels, key=lambda level: level.strength)
        self._offering = Offering([each.executor for each in usable], strongest)
        local = is_loopback(host_of(marketplace_url))
        if strongest is Isolation.LIMITS and not local and not self._settings.allow_weak_isolation:
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
        choice = choose(spec, self._executors)
        if choice.executor is None:
            raise JobRefused(choice.why)
        return Admitted(choice.executor, choice.why)

    def _check_machine(self, spec: JobSpec) -> None:
        needs, limits = spec.requirements, spec.limits
        if limits.cpus > self._machine.cores:
            raise JobRefused(f"It asks for {limits.cpus:g} cores; here are {self._machine.cores}.")
        if needs.gpus and not self._gpu_memory:
            raise JobRefused("It asks for a GPU; none was found here.")
        if needs.gpu_memory_bytes > self._gpu_memory:
            asked, here = needs.gpu_memory_bytes / GIB, self._gpu_memory / GIB
            raise JobRefused(f"It asks for {asked:.3g} GiB of GPU memory; here are {here:.3g}.")

    def _check_room(self, spec: JobSpec, running: Iterable[JobSpec]) -> None:
        taken = sum(each.limits.memory_bytes for each in running)
        room = int(self._machine.memory_bytes * MEMORY_SHARE) - taken
        if spec.limits.memory_bytes > room:
            asked, here = spec.limits.memory_bytes / GIB, max(room, 0) / GIB
            raise JobRefused(
                f"It asks for {asked:.3g} GiB of memory; {here:.3g} are free for jobs."
            )
