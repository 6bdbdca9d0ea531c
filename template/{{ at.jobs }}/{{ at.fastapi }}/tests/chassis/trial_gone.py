"""Jobs that a worker does not know, or not like that."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis.jobs import job


@job(name="trial.gone")
async def gone(session: AsyncSession, *, name: str) -> None:
    """Whoever runs it has come back."""
    from tests.chassis.trial_jobs import leave  # noqa: PLC0415 - it has jobs of its own

    await leave(session, name)


@job(name="trial.changed")
async def unchanged(session: AsyncSession, *, name: str) -> None:
    raise NotImplementedError
