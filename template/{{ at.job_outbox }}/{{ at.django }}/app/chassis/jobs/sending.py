"""Enqueue a job in the caller's transaction: its row says itself that it is to be delivered."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection

from app.chassis.jobs import leases, statements, upsert
from app.chassis.jobs.models import Job
from app.chassis.jobs.schemas import Enqueued

NAMED: Final = re.compile(r"(?<!:):(\w+)")
ENQUEUE: Final = NAMED.sub(r"%(\1)s", statements.ENQUEUE)
HOLDER: Final = NAMED.sub(r"%(\1)s", statements.HOLDER)


def send(row: Mapping[str, Any]) -> Enqueued:
    """That it is there, or the one that waits with its unique key."""
    values = dict(row) | {"deliver_at": leases.offered(row["due_at"])}
    with connection.cursor() as cursor:
        cursor.execute(ENQUEUE, {name: _as_stored(name, values[name]) for name in statements.COLUMNS})
        found = cursor.fetchone() if upsert.RETURNS else (row["id"],)
        if not upsert.RETURNS and row["unique_key"] is not None:
            cursor.execute(HOLDER, {"unique_key": row["unique_key"]})
            found = cursor.fetchone()
    job_id = row["id"] if found is None else UUID(str(found[0]))
    return Enqueued(job_id, job_id == row["id"])


def _as_stored(name: str, value: Any) -> Any:
    field: Any = Job._meta.get_field(name)  # noqa: SLF001 - it is documented
    return field.get_db_prep_save(value, connection)


def deliver(job_id: UUID) -> None:
    """Once more: of a job that is queued anew."""
    Job.objects.filter(id=job_id).update(deliver_at=leases.offered(datetime.now(UTC)))
