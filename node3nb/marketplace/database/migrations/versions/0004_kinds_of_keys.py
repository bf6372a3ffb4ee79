"""Keys with a label, an end and a number of uses; agents with where they registered from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("keys") as table:
        table.add_column(sa.Column("label", sa.Text(), nullable=False, server_default=""))
        table.add_column(sa.Column("uses_left", sa.Integer(), nullable=True))
        table.add_column(sa.Column("expires_at", sa.Float(), nullable=True))
        table.create_index("ix_keys_owner_role", ["owner", "role"])
        table.create_index("ix_keys_revoked_at", ["revoked_at"])
        table.create_index("ix_keys_created_at_key_id", ["created_at", "key_id"])
    with op.batch_alter_table("agents") as table:
        table.add_column(sa.Column("registered_from", sa.Text(), nullable=True))
        table.create_index(
            "ix_agents_registered_from_registered_at", ["registered_from", "registered_at"]
        )


def downgrade() -> None:
    with op.batch_alter_table("agents") as table:
        table.drop_index("ix_agents_registered_from_registered_at")
        table.drop_column("registered_from")
    with op.batch_alter_table("keys") as table:
        table.drop_index("ix_keys_created_at_key_id")
        table.drop_index("ix_keys_revoked_at")
        table.drop_index("ix_keys_owner_role")
        table.drop_column("expires_at")
        table.drop_column("uses_left")
        table.drop_column("label")
