"""What was paid: every completed job once, booked in the transaction of its completion."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from node3nb.marketplace.database.schema import closed, jobs, leases, ledger
from node3nb.marketplace.money import MICRO
from node3nb.marketplace.store.attempts import Attempt
from node3nb.marketplace.wire.protocol import JobStatus

_ADD = sa.insert(ledger)
_COMPLETED = jobs.c.status == JobStatus.COMPLETED
_PAID = sa.exists().where(ledger.c.job_id == jobs.c.job_id)
#: Whether an entry is of a completion: of that job, lease, agent and amount.
_RIGHTFUL = sa.exists().where(
    jobs.c.job_id == ledger.c.job_id,
    _COMPLETED,
    jobs.c.lease_id == ledger.c.lease_id,
    jobs.c.agent_id == ledger.c.agent_id,
    jobs.c.submitter == ledger.c.submitter,
    jobs.c.reward_micro == ledger.c.amount_micro,
    leases.c.lease_id == ledger.c.lease_id,
    leases.c.job_id == ledger.c.job_id,
    leases.c.outcome == JobStatus.COMPLETED,
    leases.c.wallet_address == ledger.c.wallet_address,
)


#: Rows compared in one transaction of an audit by parts.
AT_ONCE = 500


class Part(enum.Enum):
    """What the ledger and the jobs can be looked through for."""

    #: Completed jobs without an entry.
    UNPAID = enum.auto()
    #: Entries, of jobs that are there, which are not of a completion.
    WRONG = enum.auto()


@dataclass(frozen=True, slots=True)
class Audit:
    """Whether the ledger and the jobs say the same."""

    #: Entries.
    entries: int
    #: Their sum, in micro-units.
    booked_micro: int
    #: What the completed jobs promised, removed ones too, in micro-units.
    owed_micro: int
    #: Completed jobs without an entry.
    unpaid: int
    #: Entries whose job, lease, agent or amount is not that of a completion, and agents whose
    #: entries are not those that were counted when their jobs were removed.
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
    """Compare the ledger with the jobs, entry by entry; it reads all of both."""
    removed = _counted_when_removed(connection)
    owed = _sum(connection, jobs.c.reward_micro, _COMPLETED)
    wrong = sa.select(ledger.c.number).where(ledger.c.closed_at.is_(None), ~_RIGHTFUL)
    still = _closed(connection)
    differ = [agent for agent in removed | still if removed.get(agent) != still.get(agent)]
    return Audit(
        entries=_count(connection, sa.select(ledger)),
        booked_micro=_sum(connection, ledger.c.amount_micro),
        owed_micro=owed + sum(micro for _, micro in removed.values()),
        unpaid=_count(connection, sa.select(jobs.c.number).where(_COMPLETED, ~_PAID)),
        wrong=_count(connection, wrong) + len(differ),
    )


def disagreeing(connection: sa.Connection, part: Part, after: int) -> tuple[int, int | None]:
    """Look at the next rows of a part.

    Returns
    -------
    int
        How many of them are not as they should be.
    int or None
        After which number to go on; None at the end.
    """
    number, right, open_ = {
        Part.UNPAID: (jobs.c.number, _PAID, _COMPLETED),
        Part.WRONG: (ledger.c.number, _RIGHTFUL, ledger.c.closed_at.is_(None)),
    }[part]
    query = sa.select(number, right.label("right")).where(open_, number > after)
    rows = connection.execute(query.order_by(number).limit(AT_ONCE)).all()
    return sum(not row.right for row in rows), rows[-1].number if len(rows) == AT_ONCE else None


def settled(connection: sa.Connection, numbers: Sequence[int]) -> list[str]:
    """Return the ids of those of some ended jobs that were paid as they should be.

    A completed job has its entry, and no other has one.
    """
    rightly = sa.or_(sa.and_(_COMPLETED, _RIGHTFUL), sa.and_(~_COMPLETED, ~_PAID))
    query = sa.select(jobs.c.job_id).where(jobs.c.number.in_(numbers), rightly)
    return list(connection.execute(query).scalars())


def close(connection: sa.Connection, job_ids: Sequence[str], now: float) -> None:
    """Close the entries of jobs that are about to be removed, and count what these promised."""
    owed = (
        sa.select(jobs.c.agent_id, *_totals(jobs.c.reward_micro))
        .where(jobs.c.job_id.in_(job_ids), _COMPLETED)
        .group_by(jobs.c.agent_id)
        .order_by(jobs.c.agent_id)  # in one order, or two would wait for each other
    )
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    for row in connection.execute(owed).all():
        new = insert(closed).values(row._asdict())
        more = {name: closed.c[name] + new.excluded[name] for name in ("jobs", "units", "micro")}
        connection.execute(new.on_conflict_do_update(index_elements=["agent_id"], set_=more))
    connection.execute(sa.update(ledger).where(ledger.c.job_id.in_(job_ids)).values(closed_at=now))


def _counted_when_removed(connection: sa.Connection) -> dict[str, tuple[int, int]]:
    """Return for each agent how many removed jobs it completed, and what they promised."""
    rows = connection.execute(sa.select(closed))
    return {row.agent_id: (row.jobs, row.units * MICRO + row.micro) for row in rows}


def _closed(connection: sa.Connection) -> dict[str, tuple[int, int]]:
    """Return for each agent how many closed entries it has, and their sum."""
    rows = connection.execute(
        sa.select(ledger.c.agent_id, *_totals(ledger.c.amount_micro))
        .where(ledger.c.closed_at.is_not(None))
        .group_by(ledger.c.agent_id)
    )
    return {row.agent_id: (row.jobs, int(row.units) * MICRO + int(row.micro)) for row in rows}


def _count(connection: sa.Connection, query: sa.Select[*tuple[object, ...]]) -> int:
    counted = sa.select(sa.func.count()).select_from(query.subquery())
    return connection.execute(counted).scalar_one()


def _sum(
    connection: sa.Connection, amount: sa.Column[int], *conditions: sa.ColumnElement[bool]
) -> int:
    row = connection.execute(sa.select(*_totals(amount)).where(*conditions)).one()
    return int(row.units) * MICRO + int(row.micro)


def _totals(amount: sa.Column[int]) -> tuple[sa.Label[int], ...]:
    """Return how many rows there are and their sum.

    SQLite's own sum has 63 bits, so units and millionths are added apart.
    """
    return (
        sa.func.count().label("jobs"),
        sa.func.coalesce(sa.func.sum(amount // MICRO), 0).label("units"),
        sa.func.coalesce(sa.func.sum(amount % MICRO), 0).label("micro"),
    )
