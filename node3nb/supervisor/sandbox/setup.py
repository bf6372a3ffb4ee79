"""What is settled about a sandbox before its job is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from node3nb.supervisor.sandbox.plan import Plan

#: The isolation levels this package builds, weakest first; words of `node3nb.jobs.Isolation`.
LIMITS, LANDLOCK, NAMESPACES = LEVELS = ("limits", "landlock", "namespaces")
#: The networks a job may have; words of `node3nb.jobs.Network`.
NO_NETWORK, HOST_NETWORK = "none", "host"
#: Where a job at level `namespaces` finds its directories.
INPUT, OUTPUT, WORK, TMP = MOUNTED = ("/input", "/output", "/job", "/tmp")  # noqa: S108 - mounts of its own
#: Where shared memory has its names (shm_overview(7)).
SHM = "/dev/shm"  # noqa: S108 - a mount of the job's own
#: Where the sandbox being built keeps what its job will not see.
HIDDEN = "/.host"
#: What the first process says on standard error in a sandbox that bubblewrap has built.
WITHIN = b"within\n"
#: What a sandbox reports: it waits; something failed before the program; the program did.
READY, UNPREPARED, UNSTARTED = "ready", "unprepared", "unstarted"
#: What the host is called inside.
HOSTNAME = "job"
#: The user a job of an ordinary user is, in its own user namespace.
INNER_UID = 1000


@dataclass(frozen=True, slots=True)
class Setup:
    """One sandbox, as it is before it has a job."""

    #: Isolation level.
    level: str
    #: `none` or `host`.
    network: str
    #: What the host shows.
    plan: Plan
    #: User the job becomes; 0 leaves it ours.
    uid: int
    #: Whether it is in a control group of its own.
    grouped: bool
    #: Version of Landlock the kernel has; 0 for none.
    landlock: int
    #: Whether the kernel filters system calls.
    seccomp: bool
    #: Whether a warm Python has loaded more than every program needs.
    preloaded: bool
    #: How bubblewrap's command begins where that builds the view; empty where we do.
    bubblewrap: tuple[str, ...] = ()

    def to_frame(self) -> dict[str, Any]:
        """Return the setup as plain data."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        return {**plain, "plan": self.plan.to_frame()}

    @classmethod
    def from_frame(cls, frame: dict[str, Any]) -> Setup:
        """Return the setup that plain data describe."""
        return cls(**{**frame, "plan": Plan.from_frame(frame["plan"])})
