"""What was paid: every completed job once, booked in the transaction of its completion."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from node3nb.marketplace.money import MICRO
from node3nb.marketplace.protocol import JobStatus
from node3nb.marketplace.schema import jobs, leases, ledger
from node3nb.marketplace.store.attempts import Attempt

_ADD = sa.insert(ledger)


@dataclass(frozen=True, slots=True)
class Audit:
    """Whether the ledger and the jobs say the same."""

    #: Entries.
    entries: int
    #: Their sum, in micro-units.
    booked_micro: int
    #: What the completed jobs promised, in micro-units.
    owed_micro: int
    #: Completed jobs without an entry.
    unpaid: int
    #: Entries whose job, lease, agent or amount is not that of a completion.
    wrong: int

    @property
    def exact(self) -> bool:
        """Whether every completed job is paid once, as promised, and nothing else is."""
        return self.booked_micro == self.owed_micro and not self.unpaid and not self.wrong


def book(connection: sa.Connection, attempt: Attempt, now: float) -> None:
    """Pay for a completed job.

    Raises
    ------
    IntegrityError
        It has been paid for.
    """
    connection.execute(
        _ADD,
        {
            "job_id": attempt.job_id,
            "lease_id": attempt.lease_id,
            "submitter": attempt.submitter,
            "agent_id": attempt.agent_id,
            "wallet_address": attempt.wallet_address,
            "amount_micro": attempt.reward_micro,
            "booked_at": now,
        },
    )


def balance(connection: sa.Connection, agent_id: str) -> int:
    """Return what an agent has earned: the sum of its entries, in micro-units."""
    return _sum(connection, ledger.c.amount_micro, ledger.c.agent_id == agent_id)


def audit(connection: sa.Connection) -> Audit:
    """Compare the ledger with the jobs, entry by entry."""
    completed = jobs.c.status == JobStatus.COMPLETED
    paid = sa.exists().where(ledger.c.job_id == jobs.c.job_id)
    return Audit(
        entries=_count(connection, sa.select(ledger)),
        booked_micro=_sum(connection, ledger.c.amount_micro),
        owed_micro=_sum(connection, jobs.c.reward_micro, completed),
        unpaid=_count(connection, sa.select(jobs.c.number).where(completed, ~paid)),
        wrong=_count(connection, sa.select(ledger.c.number).where(~_rightful())),
    )


def _rightful() -> sa.ColumnElement[bool]:
    """Return whether an entry is of a completion: of that job, lease, agent and amount."""
    return sa.exists().where(
        jobs.c.job_id == ledger.c.job_id,
        jobs.c.status == JobStatus.COMPLETED,
        jobs.c.lease_id == ledger.c.lease_id,
        jobs.c.agent_id == ledger.c.agent_id,
        jobs.c.submitter == ledger.c.submitter,
        jobs.c.reward_micro == ledger.c.amount_micro,
        leases.c.lease_id == ledger.c.lease_id,
        leases.c.job_id == ledger.c.job_id,
        leases.c.outcome == JobStatus.COMPLETED,
        leases.c.wallet_address == ledger.c.wallet_address,
    )


def _count(connection: sa.Connection, query: sa.Select[*tuple[object, ...]]) -> int:
    counted = sa.select(sa.func.count()).select_from(query.subquery())
    return connection.execute(counted).scalar_one()


def _sum(
    connection: sa.Connection, amount: sa.Column[int], *conditions: sa.ColumnElement[bool]
) -> int:
    """Add up exactly: SQLite's own sum has 63 bits, so units and millionths are added apart."""
    row = connection.execute(
        sa.select(
            sa.func.coalesce(sa.func.sum(amount // MICRO), 0).label("units"),
            sa.func.coalesce(sa.func.sum(amount % MICRO), 0).label("micro"),
        ).where(*conditions)
    ).one()
    return int(row.units) * MICRO + int(row.micro)
