"""What the store promises, in as few words as there are: a model without a database."""

from __future__ import annotations

from dataclasses import dataclass, field

LEASE_S = 90.0
PRIORITY_S = 60.0
#: How long a lease can be renewed beyond the job's own time limit.
SLACK_S = 6 * 3600.0


@dataclass(eq=False)
class Lease:
    """One acceptance of a job."""

    agent_id: str
    lease_id: str
    accepted_at: float
    #: How it ended; None while it runs.
    outcome: str | None = None


@dataclass(eq=False)
class Job:
    """A job and all who ever held it."""

    job_id: str
    needs_memory: int
    rank: tuple[float, int]
    reward_micro: int
    max_attempts: int
    timeout_s: float
    status: str = "available"
    attempts: int = 0
    lost: bool = False
    expires_at: float | None = None
    ended_at: float | None = None
    #: Whether nothing is known of it any more.
    removed: bool = False
    leases: list[Lease] = field(default_factory=list)

    def wanted(self, lease: Lease) -> bool:
        """Whether what comes under a lease still counts."""
        if self.removed:
            return False
        lost = self.status == "available" or self.lost
        return lease is self.leases[-1] and (
            lease.outcome is None or (lease.outcome == "expired" and lost)
        )

    def called_off(self, lease: Lease) -> bool:
        return lease is self.leases[-1] and self.status == "cancelled" and not self.removed

    def told(self, lease: Lease, outcome: str) -> bool:
        """Whether a report has an answer that is given again."""
        return lease.outcome == outcome and not self.removed

    def become(self, status: str, outcome: str | None, expires_at: float | None = None) -> None:
        """Move on, with the lease that is the last."""
        self.status, self.expires_at, self.lost, self.ended_at = status, expires_at, False, None
        if self.leases and (outcome is None or self.leases[-1].outcome in {None, "expired"}):
            self.leases[-1].outcome = outcome

    def accept(self, lease: Lease) -> None:
        self.leases.append(lease)
        self.attempts += 1
        self.become("accepted", None, lease.accepted_at + LEASE_S)

    def renewed(self, lease: Lease, now: float) -> str:
        """Say what a heartbeat hears of a lease."""
        overdue = now >= lease.accepted_at + self.timeout_s + SLACK_S
        if self.wanted(lease) and not overdue:
            self.become("running", None, now + LEASE_S)
            return "renewed"
        return "cancelled" if self.called_off(lease) else "unknown"

    def expire(self) -> bool:
        """Fall to whoever comes next; False when there have been too many."""
        again = self.attempts < self.max_attempts
        self.become("available" if again else "failed", "expired")
        self.lost = not again
        return again

    def end(self, lease: Lease, outcome: str, *, again: bool = False) -> bool:
        """Report an end; False when it is refused, or changes nothing."""
        if lease.outcome == outcome or not self.wanted(lease):
            return False
        self.attempts -= outcome == "released"
        self.become("available" if again else outcome, outcome)
        return True
