"""Views that enqueue the jobs of the tests, and show what these have done."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis import database
from app.chassis.database import session
from app.chassis.jobs.models import JOBS
from app.chassis.jobs.queue import ACCEPTED, Accepted, accepted, enqueue
from tests.chassis import trial_gone, trial_jobs

Session = Annotated[AsyncSession, Depends(session, scope="function")]
router = APIRouter()


@router.post("/jobs/{name}", status_code=202, responses={202: {"headers": ACCEPTED}})
async def enqueue_one(
    database: Session, response: Response, name: str, given: dict[str, Any], fails: str = ""
) -> Accepted:
    job = getattr(trial_jobs, name, None) or getattr(trial_gone, name)
    sent = await enqueue(database, job, **given)
    if fails:
        raise RuntimeError("after it was enqueued")
    return accepted(response, sent)


@router.put("/notes", status_code=204)
async def make_notes(database: Session) -> None:
    await database.execute(text("CREATE TABLE probe_notes (name VARCHAR(64))"))


@router.get("/notes")
async def notes(database: Session) -> list[str]:
    return list(await database.scalars(text("SELECT name FROM probe_notes")))


@router.put("/old-jobs", status_code=204)
async def make_old(database: Session) -> None:
    """As if what is over had been so for two hours longer."""
    over = select(JOBS.c.id, JOBS.c.finished_at).where(JOBS.c.finished_at.is_not(None))
    for job_id, moment in (await database.execute(over)).all():
        await database.execute(update(JOBS).where(JOBS.c.id == job_id).values(finished_at=moment - timedelta(hours=2)))


@router.post("/stray-jobs")
async def stray() -> str:
    """What an enqueue without a transaction is told."""
    async with database.opened().sessions() as one:
        try:
            await enqueue(one, trial_jobs.note, name="stray")
        except RuntimeError as error:
            return str(error)
    return "taken"
