"""The table of the accounts."""

from sqlalchemy import BigInteger, Boolean, Column, String, Table, Text

from app.chassis.tables import CHASSIS, Instant

ACCOUNTS = Table(
    "chassis_accounts",
    CHASSIS,
    Column("id", String(36), primary_key=True),
    Column("name", String(254), nullable=False, unique=True),
    Column("password", String(255), nullable=False),
    Column("roles", Text, nullable=False),
    Column("tenant", String(255), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("confirmed_at", Instant),
    Column("disabled_at", Instant),
    Column("totp_secret", String(255), nullable=False),
    Column("totp_confirmed", Boolean, nullable=False),
    Column("totp_used", BigInteger, nullable=False),
)
