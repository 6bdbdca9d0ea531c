"""The tables of events: what waits to be published, what was handled, and what could not be."""

import sqlalchemy as sa
from alembic import op

from app.chassis import tables

revision = "0001_events"
down_revision = None
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "chassis_outbox",
        sa.Column("id", NUMBER, nullable=False, autoincrement=True),
        sa.Column("message_id", sa.String(36), nullable=False),
        sa.Column("partition_id", sa.SmallInteger(), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("type", sa.String(100), nullable=False),
        sa.Column("body", tables.Blob(), nullable=False),
        sa.Column("created_at", tables.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_chassis_outbox"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_chassis_outbox_partition_id_id", "chassis_outbox", ["partition_id", "id"])
    op.create_table(
        "chassis_outbox_partitions",
        sa.Column("id", sa.SmallInteger(), nullable=False, autoincrement=False),
        sa.PrimaryKeyConstraint("id", name="pk_chassis_outbox_partitions"),
    )
    op.create_table(
        "chassis_inbox",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("handled_at", tables.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_chassis_inbox"),
    )
    op.create_index("ix_chassis_inbox_handled_at", "chassis_inbox", ["handled_at"])
    op.create_table(
        "chassis_inbox_attempts",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("counted_at", tables.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_chassis_inbox_attempts"),
    )
    op.create_table(
        "chassis_dead_letters",
        sa.Column("id", NUMBER, nullable=False, autoincrement=True),
        sa.Column("message", sa.String(64), nullable=False),
        sa.Column("handler", sa.String(255), nullable=False),
        sa.Column("type", sa.String(255), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("body", tables.Blob(), nullable=False),
        sa.Column("failed_at", tables.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_chassis_dead_letters"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_chassis_dead_letters_message", "chassis_dead_letters", ["message"], unique=True)


def downgrade() -> None:
    op.drop_table("chassis_dead_letters")
    op.drop_table("chassis_inbox_attempts")
    op.drop_table("chassis_inbox")
    op.drop_table("chassis_outbox_partitions")
    op.drop_table("chassis_outbox")
