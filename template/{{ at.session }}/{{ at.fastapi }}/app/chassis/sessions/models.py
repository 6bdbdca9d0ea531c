"""The table of the sessions: of each secret its digest alone."""

from sqlalchemy import Column, String, Table, Text

from app.chassis.tables import CHASSIS, Instant

SESSIONS = Table(
    "chassis_sessions",
    CHASSIS,
    Column("digest", String(64), primary_key=True),
    Column("account_id", String(36), nullable=False, index=True),
    Column("scopes", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
)
