"""The table of the refresh tokens: of each its digest alone."""

from sqlalchemy import Column, String, Table

from app.chassis.tables import CHASSIS, Instant

REFRESH_TOKENS = Table(
    "chassis_refresh_tokens",
    CHASSIS,
    Column("digest", String(64), primary_key=True),
    Column("family", String(36), nullable=False, index=True),
    Column("account_id", String(36), nullable=False, index=True),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    Column("used_at", Instant),
    Column("revoked_at", Instant),
)
