"""The queue is one line for each shape of job; what was paid is kept, in whole millionths."""

from __future__ import annotations

from contextlib import AbstractContextManager

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

PRIORITY_S = 60
MICRO = 1_000_000
AVAILABLE = sa.text("status = 'available'")
NEEDS = {
    "needs_gpu_memory": sa.BigInteger,
    "needs_gpus": sa.Integer,
    "needs_cpus": sa.Float,
    "needs_memory": sa.BigInteger,
    "needs_isolation": sa.Integer,
    "needs_container": sa.Integer,
}
JOBS = sa.table(
    "jobs",
    *(sa.column(name) for name in NEEDS),
    sa.column("shape", sa.Text),
    sa.column("precedence"),
    sa.column("submitted_at"),
    sa.column("reward"),
    sa.column("reward_micro"),
)


def _jobs() -> AbstractContextManager[BatchOperations]:
    return op.batch_alter_table("jobs", table_kwargs={"sqlite_autoincrement": True})


def upgrade() -> None:
    op.drop_index("ix_jobs_status_precedence_number", "jobs")
    with _jobs() as table:
        table.add_column(sa.Column("shape", sa.Text()))
        table.add_column(sa.Column("reward_micro", sa.BigInteger()))
        table.alter_column("precedence", type_=sa.Float(), existing_type=sa.Integer())
    op.execute(
        sa.update(JOBS).values(
            precedence=JOBS.c.submitted_at + JOBS.c.precedence * PRIORITY_S,
            reward_micro=sa.cast(sa.func.round(JOBS.c.reward * MICRO), sa.BigInteger),
        )
    )
    _name_shapes()
    with _jobs() as table:
        table.alter_column("shape", nullable=False, existing_type=sa.Text())
        table.alter_column("reward_micro", nullable=False, existing_type=sa.BigInteger())
        for name in (*NEEDS, "reward"):
            table.drop_column(name)
    _index_jobs()
    _create_ledger()
    _index_ledger()
    _pay_what_is_completed()


def _name_shapes() -> None:
    """Write down each combination of needs as one word."""
    needs = [JOBS.c[name] for name in NEEDS]
    connection = op.get_bind()
    for row in connection.execute(sa.select(*needs).distinct()).all():
        whole = zip(needs, row, strict=True)
        values = [float(value) if column.name == "needs_cpus" else value for column, value in whole]
        same = (column == value for column, value in zip(needs, row, strict=True))
        connection.execute(
            sa.update(JOBS).where(*same).values(shape=",".join(str(value) for value in values))
        )


def _index_jobs() -> None:
    op.create_index("ix_jobs_status_number", "jobs", ["status", "number"])
    op.create_index(
        "ix_jobs_queue",
        "jobs",
        ["shape", "precedence", "number"],
        sqlite_where=AVAILABLE,
        postgresql_where=AVAILABLE,
    )


def _create_ledger() -> None:
    op.create_table(
        "ledger",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("lease_id", sa.Text(), nullable=False),
        sa.Column("submitter", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("wallet_address", sa.Text(), nullable=False),
        sa.Column("amount_micro", sa.BigInteger(), nullable=False),
        sa.Column("booked_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_ledger")),
        sa.UniqueConstraint("job_id", name=op.f("uq_ledger_job_id")),
        sa.UniqueConstraint("lease_id", name=op.f("uq_ledger_lease_id")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"], name=op.f("fk_ledger_job_id")),
        sa.ForeignKeyConstraint(["lease_id"], ["leases.lease_id"], name=op.f("fk_ledger_lease_id")),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.agent_id"], name=op.f("fk_ledger_agent_id")),
        sqlite_autoincrement=True,
    )


def _index_ledger() -> None:
    op.create_index("ix_ledger_agent_id_number", "ledger", ["agent_id", "number"])
    op.create_index("ix_ledger_submitter_number", "ledger", ["submitter", "number"])


def _pay_what_is_completed() -> None:
    op.execute(
        "INSERT INTO ledger (job_id, lease_id, submitter, agent_id, wallet_address, amount_micro,"
        " booked_at)"
        " SELECT jobs.job_id, leases.lease_id, jobs.submitter, jobs.agent_id,"
        " leases.wallet_address, jobs.reward_micro, jobs.finished_at"
        " FROM jobs JOIN leases ON leases.lease_id = jobs.lease_id"
        " WHERE jobs.status = 'completed' ORDER BY jobs.finished_at"
    )


def downgrade() -> None:
    op.drop_table("ledger")
    op.drop_index("ix_jobs_queue", "jobs")
    op.drop_index("ix_jobs_status_number", "jobs")
    with _jobs() as table:
        table.add_column(sa.Column("reward", sa.Float()))
        for name, kind in NEEDS.items():
            table.add_column(sa.Column(name, kind()))
    op.execute(
        sa.update(JOBS).values(
            precedence=sa.func.round((JOBS.c.precedence - JOBS.c.submitted_at) / PRIORITY_S),
            reward=sa.cast(JOBS.c.reward_micro, sa.Float) / MICRO,
        )
    )
    _spell_out_shapes()
    with _jobs() as table:
        for name, kind in {**NEEDS, "reward": sa.Float}.items():
            table.alter_column(name, nullable=False, existing_type=kind())
        table.alter_column("precedence", type_=sa.Integer(), existing_type=sa.Float())
        table.drop_column("shape")
        table.drop_column("reward_micro")
    op.create_index("ix_jobs_status_precedence_number", "jobs", ["status", "precedence", "number"])


def _spell_out_shapes() -> None:
    connection = op.get_bind()
    for shape in connection.execute(sa.select(JOBS.c.shape).distinct()).scalars().all():
        values = (float(word) if "." in word else int(word) for word in shape.split(","))
        connection.execute(
            sa.update(JOBS)
            .where(JOBS.c.shape == shape)
            .values(dict(zip(NEEDS, values, strict=True)))
        )
