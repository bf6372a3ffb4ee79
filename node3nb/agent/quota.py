"""Quota: what all jobs together may have of this machine; an owner changes it while jobs run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace

from node3nb.agent.settings import MEMORY_SHARE, Settings
from node3nb.errors import ConfigError
from node3nb.hardware import Machine
from node3nb.job_checks import printable
from node3nb.jobs import MIB, ResourceLimits

#: Share of the machine's memory that jobs may have at the most, whatever the owner says.
MOST_MEMORY_SHARE = 0.9
#: Slots for each core that may be had at the most: jobs that wait use none.
MOST_SLOTS_PER_CORE = 4
#: Least memory a quota leaves for jobs, in bytes: below, no interpreter starts.
LEAST_MEMORY_BYTES = 64 * MIB


@dataclass(frozen=True, slots=True)
class Quota:
    """What all jobs together may have."""

    #: Jobs run at once.
    slots: int
    #: Cores; all of the machine's are shared freely, fewer are counted out to jobs.
    cpus: int
    #: Memory, in bytes.
    memory_bytes: int
    #: GPUs.
    gpus: int

    def job_defaults(self) -> ResourceLimits:
        """Return the limits of a job that names none: its slot's share, and no more than usual."""
        usual = ResourceLimits()
        share = self.memory_bytes // self.slots
        return replace(usual, memory_bytes=min(usual.memory_bytes, max(share, 1)))


#: Least that every field of a quota may be set to.
LEAST = Quota(slots=1, cpus=1, memory_bytes=LEAST_MEMORY_BYTES, gpus=0)


class LiveQuota:
    """The quota of one provider; read and changed from any thread.

    Parameters
    ----------
    settings
        What the owner has chosen before; more than there is counts as all of it.
    machine
        What there is.
    gpus
        GPUs that jobs could be given.
    changed
        Called after every change.
    """

    def __init__(
        self,
        settings: Settings,
        machine: Machine,
        gpus: int,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        slots = settings.slots(machine)
        #: The most that every field may be set to.
        self.most = Quota(
            slots=max(MOST_SLOTS_PER_CORE * machine.cores, slots),
            cpus=machine.cores,
            memory_bytes=max(int(machine.memory_bytes * MOST_MEMORY_SHARE), LEAST.memory_bytes),
            gpus=gpus,
        )
        #: What jobs may have now.
        self.now = Quota(
            slots=slots,
            cpus=min(settings.max_cpus or machine.cores, machine.cores),
            memory_bytes=min(
                settings.max_memory_bytes or int(machine.memory_bytes * MEMORY_SHARE),
                self.most.memory_bytes,
            ),
            gpus=gpus if settings.max_gpus is None else min(settings.max_gpus, gpus),
        )
        self._changed = changed

    def set(self, **wanted: object) -> Quota:
        """Change the fields that are named; jobs that run keep what they were given.

        Raises
        ------
        ConfigError
            A field is none of a quota's, no whole number, or out of bounds; nothing is changed.
        """
        known = {each.name for each in fields(Quota)}
        for name, value in wanted.items():
            if name not in known:
                raise ConfigError(f"{name} is no limit; there are {', '.join(sorted(known))}.")
            if isinstance(value, bool) or not isinstance(value, int):
                raise ConfigError(f"{name}: {printable(value)} is no whole number.")
            least, most = getattr(LEAST, name), getattr(self.most, name)
            if not least <= value <= most:
                raise ConfigError(f"{name}: {value} is not between {least} and {most}.")
        self.now = Quota(**asdict(self.now) | wanted)
        self._changed()
        return self.now
