"""A job that cron wants every second."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis.jobs import job
from tests.chassis import trial_jobs


@job(schedule="* * * * * */1")
async def tick(session: AsyncSession) -> None:
    await trial_jobs.leave(session, "tick")
