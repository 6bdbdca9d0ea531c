"""Enqueue a job in the caller's transaction: its row says itself that it is to be delivered."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis.jobs import leases, statements, upsert
from app.chassis.jobs.models import JOBS
from app.chassis.jobs.schemas import Enqueued

STATEMENT = text(statements.ENQUEUE).bindparams(
    *(bindparam(name, type_=JOBS.c[name].type) for name in statements.COLUMNS)
)
HOLDER = text(statements.HOLDER)


async def send(session: AsyncSession, row: Mapping[str, Any]) -> Enqueued:
    """That it is there, or the one that waits with its unique key."""
    result = await session.execute(STATEMENT, dict(row) | {"deliver_at": leases.offered(row["due_at"])})
    if upsert.RETURNS:
        found = result.scalar_one()
    elif row["unique_key"] is None:
        found = row["id"]
    else:
        found = (await session.execute(HOLDER, {"unique_key": row["unique_key"]})).scalar_one_or_none()
    job_id = row["id"] if found is None else UUID(str(found))
    return Enqueued(job_id, job_id == row["id"])


async def deliver(session: AsyncSession, job_id: UUID) -> None:
    """Once more: of a job that is queued anew."""
    await session.execute(update(JOBS).where(JOBS.c.id == job_id).values(deliver_at=leases.offered(datetime.now(UTC))))
