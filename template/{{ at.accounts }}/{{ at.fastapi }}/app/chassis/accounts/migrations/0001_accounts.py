"""The table of the accounts."""

import sqlalchemy as sa
from alembic import op

from app.chassis import tables

revision = "0001_accounts"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "chassis_accounts",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(254), nullable=False),
        sa.Column("password", sa.String(255), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("tenant", sa.String(255), nullable=False),
        sa.Column("created_at", tables.Instant(), nullable=False),
        sa.Column("confirmed_at", tables.Instant(), nullable=True),
        sa.Column("disabled_at", tables.Instant(), nullable=True),
        sa.Column("totp_secret", sa.String(255), nullable=False),
        sa.Column("totp_confirmed", sa.Boolean(), nullable=False),
        sa.Column("totp_used", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_chassis_accounts"),
        sa.UniqueConstraint("name", name="uq_chassis_accounts_name"),
    )


def downgrade() -> None:
    op.drop_table("chassis_accounts")
