"""The tables of events: what waits to be published, what was handled, and what could not be."""

from sqlalchemy import BigInteger, Column, Index, Integer, SmallInteger, String, Table, Text

from app.chassis.tables import CHASSIS, Blob, Instant

# SQLite counts up by itself only what it calls INTEGER.
NUMBER = BigInteger().with_variant(Integer, "sqlite")

OUTBOX = Table(
    "chassis_outbox",
    CHASSIS,
    Column("id", NUMBER, primary_key=True, autoincrement=True),
    Column("message_id", String(36), nullable=False),
    Column("partition_id", SmallInteger, nullable=False),
    Column("key", String(255), nullable=False),
    Column("type", String(100), nullable=False),
    Column("body", Blob, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index("ix_chassis_outbox_partition_id_id", "partition_id", "id"),
    # A number that was given is not given again, though all rows are gone: later events have greater ones.
    sqlite_autoincrement=True,
)

# Rows to lock: who has the lock has the partition.
PARTITIONS = Table(
    "chassis_outbox_partitions", CHASSIS, Column("id", SmallInteger, primary_key=True, autoincrement=False)
)

INBOX = Table(
    "chassis_inbox",
    CHASSIS,
    Column("id", String(64), primary_key=True),
    Column("handled_at", Instant, nullable=False),
    Index("ix_chassis_inbox_handled_at", "handled_at"),
)

ATTEMPTS = Table(
    "chassis_inbox_attempts",
    CHASSIS,
    Column("id", String(64), primary_key=True),
    Column("tries", Integer, nullable=False),
    Column("counted_at", Instant, nullable=False),
)

DEAD_LETTERS = Table(
    "chassis_dead_letters",
    CHASSIS,
    Column("id", NUMBER, primary_key=True, autoincrement=True),
    Column("message", String(64), nullable=False),
    Column("handler", String(255), nullable=False),
    Column("type", String(255), nullable=False),
    Column("error", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("body", Blob, nullable=False),
    Column("failed_at", Instant, nullable=False),
    Index("ix_chassis_dead_letters_message", "message", unique=True),
    sqlite_autoincrement=True,
)
