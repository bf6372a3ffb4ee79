"""What an owner may set of a provider."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from node3nb.containers.policy import ContainerPolicy
from node3nb.errors import ConfigError
from node3nb.hardware import Machine
from node3nb.job_checks import MAX_BYTES, printable
from node3nb.jobs import GIB, Isolation
from node3nb.marketplace.wire.words import MAX_WAIT_S

#: Share of the machine's memory that all jobs together may have.
MEMORY_SHARE = 0.75
#: Longest payout address, in characters.
LONGEST_WALLET = 256
#: Bytes that have to be free on the disk before a job is taken: what a job may well write, and
#: its result's place; many jobs write less than their limit, so that that is not asked for.
MIN_FREE_BYTES = 1 * GIB
#: Longest that a failed job's workspace is kept, in seconds: a week.
LONGEST_KEEP_S = 7 * 86_400
#: Least and most of the choices that may be left open.
_COUNTS = {
    "max_concurrent_jobs": (1, 1_000_000),
    "max_cpus": (1, 1_000_000),
    "max_memory_bytes": (1, MAX_BYTES),
    "max_gpus": (0, 1024),
    "max_jobs": (1, 1_000_000),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The owner's choices; every default is the careful one.

    Raises
    ------
    ConfigError
        A choice that can't be kept, named.
    """

    #: Jobs run at once; None is half the cores, at least 1.
    max_concurrent_jobs: int | None = None
    #: Cores that all jobs together may use; None is all there are.
    max_cpus: int | None = None
    #: Memory that all jobs together may have, in bytes; None is three quarters of the machine's.
    max_memory_bytes: int | None = None
    #: GPUs that all jobs together may use; None is all there are.
    max_gpus: int | None = None
    #: Jobs taken before it drains; None is no end.
    max_jobs: int | None = None
    #: Where rewards go; empty sends the agent's id.
    wallet_address: str = ""
    #: What it registers with where agents are invited; empty is `NODE3_INVITATION`, or none.
    invitation: str = field(default="", repr=False)
    #: Seconds between two polls of a marketplace that answers at once.
    poll_s: float = 5.0
    #: Seconds one poll may wait for a job where the marketplace knows long polls.
    wait_s: float = 20.0
    #: Seconds between two heartbeats.
    heartbeat_s: float = 10.0
    #: Largest input fetched for one job, in bytes, as sent and as unpacked.
    max_input_bytes: int = 16 * GIB
    #: Bytes that have to be free where state and workspaces are before another job is taken.
    min_free_bytes: int = MIN_FREE_BYTES
    #: Seconds that the workspace of a failed job is kept for its owner to look into.
    keep_s: float = 0.0
    #: Directories below which `file:` URLs of jobs may be read and written.
    file_roots: tuple[Path, ...] = ()
    #: Whether job URLs may name hosts of the owner's own network.
    allow_private_hosts: bool = False
    #: Whether a marketplace elsewhere may be spoken to unencrypted.
    allow_insecure_http: bool = False
    #: Whether strangers' jobs may run at isolation level `limits`.
    allow_weak_isolation: bool = False
    #: Isolation level to stay at; None is the strongest there is.
    isolation: Isolation | None = None
    #: Modules a waiting Python imports ahead, such as numpy, for jobs that need them.
    preload: tuple[str, ...] = ()
    #: Whether a job that asks for the host's network gets it.
    allow_host_network: bool = False
    #: What containers may do, and when they are used.
    containers: ContainerPolicy = field(default_factory=ContainerPolicy)

    def __post_init__(self) -> None:
        for name, (least, most) in _COUNTS.items():
            if getattr(self, name) is not None:
                self._check(name, least, most)
        for name in ("poll_s", "heartbeat_s"):
            self._check(name, 0.001, 3600)
        self._check("wait_s", 0.001, MAX_WAIT_S)
        self._check("max_input_bytes", 1, MAX_BYTES)
        self._check("min_free_bytes", 0, MAX_BYTES)
        self._check("keep_s", 0, LONGEST_KEEP_S)
        if len(self.wallet_address) > LONGEST_WALLET or not self.wallet_address.isprintable():
            raise ConfigError(f"wallet_address: give at most {LONGEST_WALLET} plain characters.")

        for name in self.preload:
            if not all(part.isidentifier() for part in name.split(".")):
                raise ConfigError(f"preload: {printable(name)} is no module; name one, as numpy.")

    def _check(self, name: str, least: float, most: float) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ConfigError(f"{name}: {printable(value)} is not a number.")
        if not least <= value <= most:
            raise ConfigError(f"{name}: {value:g} is not between {least:g} and {most:g}.")

    def slots(self, machine: Machine) -> int:
        """Return how many jobs run at once on a machine."""
        return self.max_concurrent_jobs or max(1, machine.cores // 2)
