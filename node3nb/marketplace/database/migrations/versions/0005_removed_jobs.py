"""Jobs that ended long ago can be removed: what they were paid stays in the ledger."""

from __future__ import annotations

from contextlib import AbstractContextManager

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

OPEN = sa.text("closed_at IS NULL")
ENDED = sa.text("finished_at IS NOT NULL")
NAMED = (("job_id", "jobs"), ("lease_id", "leases"))

#: What is told again of a removed job, so that its entry names a job and a lease.
_JOBS_AGAIN = """
INSERT INTO jobs (job_id, submitter, status, spec, shape, precedence, reward_micro, timeout_s,
    submitted_at, finished_at, agent_id, lease_id, attempts, max_attempts, acceptances)
SELECT job_id, submitter, 'completed', '{"job_type": "removed"}', '0,0,0.0,0,0,0', booked_at,
    amount_micro, 0, booked_at, booked_at, agent_id, lease_id, 1, 1, 1
FROM ledger WHERE closed_at IS NOT NULL ORDER BY number
"""
_LEASES_AGAIN = """
INSERT INTO leases (lease_id, job_id, agent_id, acceptance, wallet_address, accepted_at, ended_at,
    outcome)
SELECT lease_id, job_id, agent_id, 1, wallet_address, booked_at, booked_at, 'completed'
FROM ledger WHERE closed_at IS NOT NULL
"""


def _ledger() -> AbstractContextManager[BatchOperations]:
    return op.batch_alter_table("ledger", table_kwargs={"sqlite_autoincrement": True})


def upgrade() -> None:
    with _ledger() as table:
        for column, _ in NAMED:
            table.drop_constraint(f"fk_ledger_{column}", type_="foreignkey")
        table.add_column(sa.Column("closed_at", sa.Float(), nullable=True))
    op.create_index(
        "ix_ledger_open", "ledger", ["number"], sqlite_where=OPEN, postgresql_where=OPEN
    )
    op.create_table(
        "closed",
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("jobs", sa.BigInteger(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("micro", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.agent_id"], name=op.f("fk_closed_agent_id")),
        sa.PrimaryKeyConstraint("agent_id", name=op.f("pk_closed")),
    )
    op.create_index(
        "ix_jobs_ended",
        "jobs",
        ["finished_at", "number"],
        sqlite_where=ENDED,
        postgresql_where=ENDED,
    )


def downgrade() -> None:
    op.drop_index("ix_jobs_ended", "jobs")
    op.drop_table("closed")
    op.execute(_JOBS_AGAIN)
    op.execute(_LEASES_AGAIN)
    op.drop_index("ix_ledger_open", "ledger")
    with _ledger() as table:
        table.drop_column("closed_at")
        for column, other in NAMED:
            table.create_foreign_key(f"fk_ledger_{column}", other, [column], [column])
