"""The table of the jobs."""

import sqlalchemy as sa
from alembic import op

from app.chassis import tables

revision = "0001_jobs"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "chassis_jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("queue", sa.String(64), nullable=False),
        sa.Column("owner", tables.Subject(), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("unique_key", sa.String(64)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("done", sa.BigInteger()),
        sa.Column("total", sa.BigInteger()),
        sa.Column("result", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.Column("detail", sa.Text()),
        sa.Column("created_at", tables.Instant(), nullable=False),
        sa.Column("due_at", tables.Instant(), nullable=False),
        sa.Column("started_at", tables.Instant()),
        sa.Column("finished_at", tables.Instant()),
        sa.Column("deliver_at", tables.Instant()),
        sa.Column("leased_until", tables.Instant()),
        sa.PrimaryKeyConstraint("id", name="pk_chassis_jobs"),
        sa.UniqueConstraint("unique_key", name="uq_chassis_jobs_unique_key"),
    )
    op.create_index("ix_chassis_jobs_state_finished_at", "chassis_jobs", ["state", "finished_at"])
    op.create_index("ix_chassis_jobs_deliver_at", "chassis_jobs", ["deliver_at"])


def downgrade() -> None:
    op.drop_table("chassis_jobs")
