"""The table of the jobs."""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, Uuid

from app.chassis.tables import CHASSIS, Instant, Subject

JOBS = Table(
    "chassis_jobs",
    CHASSIS,
    Column("id", Uuid, primary_key=True),
    Column("name", String(128), nullable=False),
    Column("queue", String(64), nullable=False),
    Column("owner", Subject, nullable=False),
    Column("arguments", Text, nullable=False),
    # The ids of whatever has enqueued it.
    Column("carrier", Text, nullable=False),
    # While it waits for its first attempt: one of each.
    Column("unique_key", String(64), unique=True),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("done", BigInteger),
    Column("total", BigInteger),
    Column("result", Text),
    # What failed: for operators, and what its owner is told.
    Column("error", Text),
    Column("detail", Text),
    Column("created_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("finished_at", Instant),
    # When it is to be handed to a worker, again if nobody has begun; and until when the one who runs it has it.
    Column("deliver_at", Instant, index=True),
    Column("leased_until", Instant),
    Index("ix_chassis_jobs_state_finished_at", "state", "finished_at"),
)
