"""What goes wrong in a run, and when: drawn from its seed alone."""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass


class Fault(enum.StrEnum):
    """What may go wrong."""

    #: SIGKILL of a kernel; everything below it has to end by itself.
    KERNEL_KILLED = "kernel killed"
    #: SIGKILL of a kernel and of all below it at once, as when the power fails.
    MACHINE_LOST = "machine lost"
    #: SIGKILL of a process that keeps jobs: the supervisor, its guard, or the warm Python.
    SUPERVISOR_KILLED = "supervisor killed"
    #: A kernel stands still, as a suspended machine does.
    KERNEL_FROZEN = "kernel frozen"
    #: A cell keeps every other thread of its kernel from running.
    INTERPRETER_HELD = "interpreter held"
    #: The owner stops the provider and starts it again.
    PROVIDER_RESTARTED = "provider restarted"
    #: SIGKILL of the marketplace.
    MARKET_KILLED = "marketplace killed"
    #: The marketplace is stopped in order, and started again.
    MARKET_RESTARTED = "marketplace restarted"
    #: The marketplace stands still.
    MARKET_FROZEN = "marketplace frozen"
    #: The server of the marketplace's database crashes, with all its connections.
    DATABASE_KILLED = "database killed"
    #: Nothing listens at the marketplace's address.
    REFUSED = "network refuses"
    #: Connections are reset after a few bytes, in either direction.
    RESET = "network resets"
    #: Bytes are held back, and arrive in the end.
    STALLED = "network stalls"
    #: Every piece arrives late.
    SLOW = "network slow"
    #: What is sent vanishes, and nobody says so, then or later.
    HALF_OPEN = "network half open"
    #: The disk of one provider's state and workspaces has no room.
    DISK_FULL = "disk full"
    #: SIGKILL of the process that owns a provider's containers.
    CONTAINERS_ORPHANED = "owner of containers killed"
    #: Somebody removes the container of a job.
    CONTAINER_REMOVED = "container removed"
    #: SIGKILL of the container engine, which is started again.
    ENGINE_KILLED = "engine killed"
    #: The container engine stands still.
    ENGINE_FROZEN = "engine frozen"


#: Faults of the network, which have a line each to happen to.
NETWORK = (Fault.REFUSED, Fault.RESET, Fault.STALLED, Fault.SLOW, Fault.HALF_OPEN)
#: Faults of the marketplace, of which there is one.
MARKET = (
    Fault.MARKET_KILLED,
    Fault.MARKET_RESTARTED,
    Fault.MARKET_FROZEN,
    Fault.DATABASE_KILLED,
)
#: Faults of the container engine, of which there is one.
ENGINE = (Fault.CONTAINER_REMOVED, Fault.ENGINE_KILLED, Fault.ENGINE_FROZEN)
#: Faults that only a run with containers can have.
WITH_CONTAINERS = (*ENGINE, Fault.CONTAINERS_ORPHANED)
#: Longest that a fault lasts, in seconds, or its consequence before it is mended.
LASTS_S = {
    Fault.KERNEL_FROZEN: 8.0,
    Fault.INTERPRETER_HELD: 4.0,
    Fault.MARKET_FROZEN: 5.0,
    Fault.MARKET_KILLED: 3.0,
    Fault.MARKET_RESTARTED: 1.0,
    Fault.DATABASE_KILLED: 2.0,
    Fault.STALLED: 8.0,
    Fault.DISK_FULL: 6.0,
    Fault.CONTAINER_REMOVED: 10.0,
    Fault.ENGINE_FROZEN: 8.0,
}
#: The same for every other fault.
USUALLY_S = 4.0
#: Faults that come more often: what this is about.
OFTEN = (
    Fault.KERNEL_KILLED,
    Fault.MACHINE_LOST,
    Fault.SUPERVISOR_KILLED,
    Fault.MARKET_KILLED,
    Fault.RESET,
)
#: Shares of the jobs that have ended when the first and the last fault come.
FIRST, LAST = 0.02, 0.7


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault of a run."""

    #: How many jobs have ended when it comes: no clock, so that any machine replays it.
    after: int
    #: What goes wrong.
    fault: Fault
    #: The provider or the line it happens to, from 0.
    victim: int
    #: How long it lasts, in seconds.
    lasts_s: float
    #: What else is drawn for it.
    draw: float

    def __str__(self) -> str:
        where = "" if self.fault in MARKET else f" at {self.victim}"
        return f"after {self.after:>4} jobs: {self.fault}{where}, {self.lasts_s:.1f} s"


def plan(
    seed: int, jobs: int, faults: int, providers: int, *, without: tuple[Fault, ...] = ()
) -> list[Planned]:
    """Return the faults of a run in order; each kind comes, if there are that many.

    Parameters
    ----------
    seed
        All that they are drawn from.
    jobs, faults, providers
        How many there are; each provider has its line, and the sender of the jobs one more.
    without
        Faults that nothing in the run can have.
    """
    dice = random.Random(seed)
    possible = [fault for fault in Fault if fault not in without]
    kinds = list(possible)
    dice.shuffle(kinds)
    while len(kinds) < faults:
        kinds.append(dice.choice(OFTEN if dice.random() < 0.5 else possible))
    kinds = kinds[:faults]
    dice.shuffle(kinds)
    times = sorted(int(jobs * dice.uniform(FIRST, LAST)) for _ in kinds)
    return [
        Planned(
            after,
            kind,
            _victim(dice, kind, providers),
            LASTS_S.get(kind, USUALLY_S) * dice.uniform(0.3, 1.0),
            dice.random(),
        )
        for after, kind in zip(times, kinds, strict=True)
    ]


def _victim(dice: random.Random, kind: Fault, providers: int) -> int:
    if kind in MARKET or kind in WITH_CONTAINERS or kind is Fault.DISK_FULL:
        return 0
    return dice.randrange(providers + 1 if kind in NETWORK else providers)
