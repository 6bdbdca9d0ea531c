"""The table of the keys and of the answers they got."""

from sqlalchemy import Column, Index, SmallInteger, String, Table, Text

from app.chassis.tables import CHASSIS, Blob, Instant

KEYS = Table(
    "chassis_idempotency_keys",
    CHASSIS,
    # Caller and key as one digest: short, and no collation takes two for the same.
    Column("id", String(64), primary_key=True),
    Column("caller", Text, nullable=False),
    Column("key", String(255), nullable=False),
    Column("request", String(64), nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("headers", Text, nullable=False),
    Column("body", Blob, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index("ix_chassis_idempotency_keys_created_at", "created_at"),
)
