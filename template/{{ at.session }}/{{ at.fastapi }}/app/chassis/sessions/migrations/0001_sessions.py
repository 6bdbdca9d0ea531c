"""The table of the sessions: of each secret its digest alone."""

import sqlalchemy as sa
from alembic import op

from app.chassis import tables

revision = "0001_sessions"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "chassis_sessions",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("account_id", sa.String(36), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", tables.Instant(), nullable=False),
        sa.Column("expires_at", tables.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_chassis_sessions"),
    )
    for column in ("account_id", "expires_at"):
        op.create_index(f"ix_chassis_sessions_{column}", "chassis_sessions", [column])


def downgrade() -> None:
    op.drop_table("chassis_sessions")
