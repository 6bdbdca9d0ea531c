"""Enqueue a job in the caller's transaction: its row and its place in the queue are one statement."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis.jobs import statements
from app.chassis.jobs.models import JOBS
from app.chassis.jobs.schemas import Enqueued

STATEMENT = text(statements.ENQUEUE).bindparams(
    *(bindparam(name, type_=JOBS.c[name].type) for name in statements.COLUMNS)
)
DELIVERY = text(statements.DELIVER).bindparams(bindparam("id", type_=JOBS.c.id.type))


async def send(session: AsyncSession, row: Mapping[str, Any]) -> Enqueued:
    """That it is there, or the one that waits with its unique key."""
    job_id, new, _ = (await session.execute(STATEMENT, row)).one()
    return Enqueued(job_id, new)


async def deliver(session: AsyncSession, job_id: UUID) -> None:
    """Once more: of a job that is queued anew."""
    await session.execute(DELIVERY, {"id": job_id})
