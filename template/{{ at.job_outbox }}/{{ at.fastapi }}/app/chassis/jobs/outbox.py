"""The jobs that have to be delivered; each function is a transaction of its own."""

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, func, or_, select, update

from app.chassis import database
from app.chassis.jobs import rows
from app.chassis.jobs.models import JOBS


async def claim(now: datetime, until: datetime, most: int, ahead: int | None) -> list[UUID]:
    """The ids of those that have to be delivered, the oldest first; nobody else delivers them before `until`.

    With `ahead` no more than so many are delivered and have not begun.
    """
    query = select(JOBS.c.id).where(JOBS.c.deliver_at <= now).order_by(JOBS.c.deliver_at)
    delivered = (JOBS.c.deliver_at > now, JOBS.c.deliver_at <= until)
    waiting = select(func.count()).where(*delivered, JOBS.c.state == rows.QUEUED, JOBS.c.due_at <= now)
    async with database.opened().sessions() as session:
        # Most of the time there are none, and a look takes no lock.
        if await session.scalar(query.limit(1)) is None:
            return []
        room = most if ahead is None else min(most, ahead - (await session.scalar(waiting) or 0))
    if room < 1:
        return []
    async with database.opened().sessions.begin() as session:
        ids = list(await session.scalars(query.limit(room).with_for_update(skip_locked=True)))
        await session.execute(update(JOBS).where(JOBS.c.id.in_(ids)).values(deliver_at=until))
    return ids


async def release(ids: Collection[UUID], now: datetime) -> None:
    """They have not been delivered after all, or not begun; what has begun, and what waits for its time, stays."""
    free = or_(JOBS.c.leased_until.is_(None), JOBS.c.leased_until <= now)
    its = (JOBS.c.id.in_(ids), JOBS.c.deliver_at > now, JOBS.c.deliver_at > JOBS.c.due_at, free)
    async with database.opened().sessions.begin() as session:
        await session.execute(update(JOBS).where(*its).values(deliver_at=now))


async def renew(ours: Mapping[UUID, int], until: datetime) -> None:
    """Whoever runs these attempts lives."""
    its = (and_(JOBS.c.id == job_id, JOBS.c.attempts == number) for job_id, number in ours.items())
    async with database.opened().sessions.begin() as session:
        renewed = update(JOBS).where(JOBS.c.state == rows.RUNNING, or_(*its))
        await session.execute(renewed.values(deliver_at=until, leased_until=until))


async def adopt(until: datetime) -> None:
    """Jobs of a queue that this service had before: those that wait are due, those that run have this long."""
    strange = (JOBS.c.deliver_at.is_(None), JOBS.c.leased_until.is_(None))
    async with database.opened().sessions.begin() as session:
        for state, values in (
            (rows.QUEUED, {"deliver_at": JOBS.c.due_at}),
            (rows.RUNNING, {"deliver_at": until, "leased_until": until}),
        ):
            await session.execute(update(JOBS).where(JOBS.c.state == state, *strange).values(values))


async def correct(now: datetime) -> None:
    """What was enqueued in the future was enqueued by somebody whose clock is ahead: it is due."""
    early = (JOBS.c.state == rows.QUEUED, JOBS.c.created_at > now, JOBS.c.deliver_at > now)
    async with database.opened().sessions.begin() as session:
        await session.execute(update(JOBS).where(*early).values(deliver_at=now))
