"""The timeline of orders."""

import sqlalchemy as sa
from alembic import op

from app.chassis import tables

revision = "0002_timeline"
down_revision = "0001_orders"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "timeline_entries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("what", sa.String(32), nullable=False),
        sa.Column("happened_at", tables.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_timeline_entries")),
    )
    op.create_index(op.f("ix_timeline_entries_order_id_id"), "timeline_entries", ["order_id", "id"])


def downgrade() -> None:
    op.drop_table("timeline_entries")
