"""The table of the keys: of each its digest alone."""

from sqlalchemy import Column, String, Table, Text

from app.chassis.tables import CHASSIS, Instant

KEYS = Table(
    "chassis_api_keys",
    CHASSIS,
    Column("id", String(16), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("tenant", String(255), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("note", String(255), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    Column("last_used_at", Instant),
)
