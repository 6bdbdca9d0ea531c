"""Enqueue a job in the caller's transaction: its row and its place in the queue are one statement."""

import re
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.db import connection

from app.chassis.jobs import statements
from app.chassis.jobs.schemas import Enqueued

NAMED: Final = re.compile(r"(?<!:):(\w+)")


def send(row: Mapping[str, Any]) -> Enqueued:
    """That it is there, or the one that waits with its unique key."""
    with connection.cursor() as cursor:
        cursor.execute(NAMED.sub(r"%(\1)s", statements.ENQUEUE), row)
        job_id, new, _ = cursor.fetchone()
    return Enqueued(job_id, new)


def deliver(job_id: UUID) -> None:
    """Once more: of a job that is queued anew."""
    with connection.cursor() as cursor:
        cursor.execute(NAMED.sub(r"%(\1)s", statements.DELIVER), {"id": job_id})
