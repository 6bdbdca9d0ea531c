"""The table of the keys and of the answers they got."""

import sqlalchemy as sa
from alembic import op

from app.chassis import tables

revision = "0001_keys"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "chassis_idempotency_keys",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("request", sa.String(64), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("body", tables.Blob(), nullable=False),
        sa.Column("created_at", tables.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_chassis_idempotency_keys"),
    )
    op.create_index("ix_chassis_idempotency_keys_created_at", "chassis_idempotency_keys", ["created_at"])


def downgrade() -> None:
    op.drop_table("chassis_idempotency_keys")
