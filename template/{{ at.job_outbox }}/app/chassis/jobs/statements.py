"""A job's row, which is its place in the outbox too: one statement."""

from typing import Final

from app.chassis.jobs import upsert

COLUMNS: Final = (
    "id", "name", "queue", "owner", "arguments", "carrier", "unique_key", "state", "attempts", "created_at", "due_at",
    "deliver_at",
)  # fmt: skip
ENQUEUE: Final = f"""
INSERT INTO chassis_jobs ({", ".join(COLUMNS)}) VALUES ({", ".join(f":{name}" for name in COLUMNS)}) {upsert.TAKEN}"""  # noqa: S608 - names of our own
# What another transaction has committed meanwhile a plain read might not see.
HOLDER: Final = "SELECT id FROM chassis_jobs WHERE unique_key = :unique_key FOR UPDATE"
