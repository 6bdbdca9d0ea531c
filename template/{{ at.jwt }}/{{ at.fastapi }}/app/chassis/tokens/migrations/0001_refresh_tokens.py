"""The table of the refresh tokens: of each its digest alone."""

import sqlalchemy as sa
from alembic import op

from app.chassis import tables

revision = "0001_refresh_tokens"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "chassis_refresh_tokens",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("family", sa.String(36), nullable=False),
        sa.Column("account_id", sa.String(36), nullable=False),
        sa.Column("created_at", tables.Instant(), nullable=False),
        sa.Column("expires_at", tables.Instant(), nullable=False),
        sa.Column("used_at", tables.Instant(), nullable=True),
        sa.Column("revoked_at", tables.Instant(), nullable=True),
        sa.PrimaryKeyConstraint("digest", name="pk_chassis_refresh_tokens"),
    )
    for column in ("family", "account_id", "expires_at"):
        op.create_index(f"ix_chassis_refresh_tokens_{column}", "chassis_refresh_tokens", [column])


def downgrade() -> None:
    op.drop_table("chassis_refresh_tokens")
