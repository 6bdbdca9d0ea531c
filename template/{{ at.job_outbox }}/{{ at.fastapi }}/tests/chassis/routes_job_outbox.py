"""Views that make jobs look as if another queue had them, or as if somebody's clock were ahead."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis.database import session
from app.chassis.jobs.models import JOBS

router = APIRouter()


@router.put("/orphans", status_code=204)
async def make_orphans(database: Annotated[AsyncSession, Depends(session, scope="function")]) -> None:
    await database.execute(text("UPDATE chassis_jobs SET deliver_at = NULL, leased_until = NULL"))


@router.put("/early-jobs", status_code=204)
async def make_early(database: Annotated[AsyncSession, Depends(session, scope="function")]) -> None:
    columns = [JOBS.c[name] for name in ("created_at", "due_at", "deliver_at")]
    hour = timedelta(hours=1)
    for job_id, *moments in (await database.execute(select(JOBS.c.id, *columns).where(JOBS.c.state == "queued"))).all():
        later = {column: moment + hour for column, moment in zip(columns, moments, strict=True)}
        await database.execute(update(JOBS).where(JOBS.c.id == job_id).values(later))
