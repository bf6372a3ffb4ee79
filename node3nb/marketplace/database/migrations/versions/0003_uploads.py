"""Files have names of their own; files on their way and what each submitter keeps are counted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_CHARGE = """
INSERT INTO storage (owner, bytes, files)
SELECT jobs.submitter, SUM(artifacts.bytes), COUNT(*)
FROM artifacts JOIN jobs ON jobs.job_id = artifacts.job_id
GROUP BY jobs.submitter
"""


def upgrade() -> None:
    op.create_table(
        "storage",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_storage")),
    )
    op.create_table(
        "uploads",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("acceptance", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"], name=op.f("fk_uploads_job_id")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_uploads")),
    )
    op.create_index(op.f("ix_uploads_job_id_kind"), "uploads", ["job_id", "kind"])
    op.create_index(op.f("ix_uploads_expires_at"), "uploads", ["expires_at"])
    with op.batch_alter_table("artifacts") as batch_op:
        batch_op.add_column(sa.Column("name", sa.Text(), nullable=True))
    op.execute("UPDATE artifacts SET name = job_id || '/' || sha256")
    with op.batch_alter_table("artifacts") as batch_op:
        batch_op.alter_column("name", existing_type=sa.Text(), nullable=False)
    op.create_index(op.f("ix_artifacts_name"), "artifacts", ["name"])
    op.execute(_CHARGE)


def downgrade() -> None:
    op.drop_index(op.f("ix_artifacts_name"), table_name="artifacts")
    with op.batch_alter_table("artifacts") as batch_op:
        batch_op.drop_column("name")
    op.drop_index(op.f("ix_uploads_expires_at"), table_name="uploads")
    op.drop_index(op.f("ix_uploads_job_id_kind"), table_name="uploads")
    op.drop_table("uploads")
    op.drop_table("storage")
