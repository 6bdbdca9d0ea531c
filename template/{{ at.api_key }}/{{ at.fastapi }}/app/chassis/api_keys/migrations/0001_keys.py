"""The table of the keys: of each its digest alone."""

import sqlalchemy as sa
from alembic import op

from app.chassis import tables

revision = "0001_keys"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "chassis_api_keys",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("tenant", sa.String(255), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("note", sa.String(255), nullable=False),
        sa.Column("created_at", tables.Instant(), nullable=False),
        sa.Column("expires_at", tables.Instant(), nullable=True),
        sa.Column("revoked_at", tables.Instant(), nullable=True),
        sa.Column("last_used_at", tables.Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_chassis_api_keys"),
    )


def downgrade() -> None:
    op.drop_table("chassis_api_keys")
