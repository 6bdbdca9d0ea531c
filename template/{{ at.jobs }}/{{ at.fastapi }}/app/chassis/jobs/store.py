"""The jobs in the database; each function is a transaction of its own unless it takes a session."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

import orjson
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis import database
from app.chassis.jobs import leases, rows, sending
from app.chassis.jobs.models import JOBS
from app.chassis.jobs.rows import Attempt, Withdrawn

Given = ParamSpec("Given")
Result = TypeVar("Result")
Row = Mapping[str, Any]


async def ask(work: Callable[Given, Awaitable[Result]], *args: Given.args, **kwargs: Given.kwargs) -> Result:
    """Call one of these from the event loop."""
    return await work(*args, **kwargs)


# -- an attempt --------------------------------------------------------------------------------------------------------


async def begin(job_id: UUID, now: datetime) -> Attempt | None:
    """None when there is nothing to do any more."""
    async with database.opened().sessions.begin() as session:
        row = (await session.execute(select(JOBS).where(JOBS.c.id == job_id).with_for_update())).mappings().first()
        if row is None or row["state"] not in rows.LIVE or leases.kept(dict(row), now):
            return None
        number = row["attempts"] + 1
        begun = {
            "state": rows.RUNNING,
            "attempts": number,
            "started_at": row["started_at"] or now,
            "unique_key": None,
            "deliver_at": leases.until(now),
            "leased_until": leases.until(now),
        }
        await session.execute(update(JOBS).where(JOBS.c.id == job_id).values(begun))
    again = row["state"] == rows.RUNNING
    carrier = orjson.loads(row["carrier"])
    return Attempt(job_id, row["name"], row["owner"], row["arguments"], carrier, number, again)


async def finish(session: AsyncSession, one: Attempt, result: str | None, now: datetime) -> None:
    """Part of the job's own transaction: both are there, or none. Raises Withdrawn."""
    await _end(session, one, state=rows.SUCCEEDED, result=result, error=None, detail=None, finished_at=now)


async def fail(one: Attempt, again_at: datetime | None, error: str, detail: str, now: datetime) -> None:
    """To be tried again, or dead."""
    if again_at is None:
        ended: dict[str, Any] = {"state": rows.FAILED, "finished_at": now}
    else:
        ended = {"due_at": again_at, "deliver_at": leases.offered(again_at)}
    with suppress(Withdrawn):
        async with database.opened().sessions.begin() as session:
            await _end(session, one, **{"state": rows.QUEUED, "error": error, "detail": detail} | ended)


async def give_back(one: Attempt, now: datetime) -> None:
    """It was no attempt: whoever takes it next begins with the same number."""
    again = {"state": rows.QUEUED, "attempts": one.number - 1, "deliver_at": leases.offered(now)}
    with suppress(Withdrawn):
        async with database.opened().sessions.begin() as session:
            await _end(session, one, **again)


async def _end(session: AsyncSession, one: Attempt, **values: Any) -> None:
    reached = {} if one.done is None else {"done": one.done, "total": one.total}
    if not await _change(session, one, leases.NONE | values | reached):
        raise Withdrawn


async def report(one: Attempt) -> bool:
    """Its progress; False when it is not this attempt's any more."""
    async with database.opened().sessions.begin() as session:
        return await _change(session, one, {"done": one.done, "total": one.total})


async def _change(session: AsyncSession, one: Attempt, values: Row) -> bool:
    """Only the attempt that has begun last may, and only until somebody cancels it."""
    its = (JOBS.c.id == one.id, JOBS.c.state == rows.RUNNING, JOBS.c.attempts == one.number)
    changed: Any = await session.execute(update(JOBS).where(*its).values(**values))
    return bool(changed.rowcount)


async def still_running(ours: Mapping[UUID, int]) -> set[UUID]:
    """Which of these are still run at the attempt of that number."""
    query = select(JOBS.c.id, JOBS.c.attempts).where(JOBS.c.id.in_(ours), JOBS.c.state == rows.RUNNING)
    async with database.opened().sessions() as session:
        return {job_id for job_id, number in await session.execute(query) if ours[job_id] == number}


# -- its owner ---------------------------------------------------------------------------------------------------------


async def find(session: AsyncSession, job_id: UUID, owner: str) -> Row | None:
    query = select(JOBS).where(JOBS.c.id == job_id, JOBS.c.owner == owner)
    row = (await session.execute(query)).mappings().first()
    return None if row is None else dict(row)


async def cancel(session: AsyncSession, job_id: UUID, owner: str, now: datetime) -> None:
    """Whoever runs it learns of it, and cannot commit any more."""
    its = (JOBS.c.id == job_id, JOBS.c.owner == owner, JOBS.c.state.in_(rows.LIVE))
    ended = {"state": rows.CANCELLED, "finished_at": now, "unique_key": None} | leases.NONE
    await session.execute(update(JOBS).where(*its).values(ended))


# -- the worker's upkeep -----------------------------------------------------------------------------------------------


async def enqueue_once(row: Row) -> None:
    """Unless it is there."""
    with suppress(IntegrityError):
        async with database.opened().sessions() as session:
            there = await session.scalar(select(JOBS.c.id).where(JOBS.c.id == row["id"]))
            # A transaction that has read cannot write in SQLite once another one has.
            await session.commit()
            if there is None:
                await sending.send(session, row)
                await session.commit()


async def figures(now: datetime) -> tuple[list[tuple[str, int, datetime]], dict[str, int]]:
    """Of each queue how many are due and since when; of each name how many are dead."""
    due = (JOBS.c.state == rows.QUEUED, JOBS.c.due_at <= now)
    queues = select(JOBS.c.queue, func.count(), func.min(JOBS.c.due_at)).where(*due).group_by(JOBS.c.queue)
    letters = select(JOBS.c.name, func.count()).where(JOBS.c.state == rows.FAILED).group_by(JOBS.c.name)
    async with database.opened().sessions() as session:
        waiting = [(queue, number, oldest) for queue, number, oldest in await session.execute(queues)]
        found = await session.execute(letters)
        return waiting, dict(row.tuple() for row in found)


async def forget(before: datetime, limit: int) -> int:
    over = (JOBS.c.state.in_(rows.OVER), JOBS.c.finished_at < before)
    async with database.opened().sessions() as session:
        ids = (await session.scalars(select(JOBS.c.id).where(*over).limit(limit))).all()
        # As in `enqueue_once`.
        await session.commit()
        if ids:
            await session.execute(delete(JOBS).where(JOBS.c.id.in_(ids), *over))
            await session.commit()
    return len(ids)


async def due(now: datetime) -> list[tuple[UUID, str]]:
    """What could run now, the first that was enqueued first; for tests."""
    query = select(JOBS.c.id, JOBS.c.name).where(JOBS.c.state == rows.QUEUED, JOBS.c.due_at <= now)
    async with database.opened().sessions() as session:
        return [(job_id, name) for job_id, name in await session.execute(query.order_by(JOBS.c.created_at, JOBS.c.id))]


# -- its operators -----------------------------------------------------------------------------------------------------


async def counts() -> list[tuple[str, str, int]]:
    query = select(JOBS.c.name, JOBS.c.state, func.count()).group_by(JOBS.c.name, JOBS.c.state)
    async with database.opened().sessions() as session:
        found = await session.execute(query.order_by(JOBS.c.name, JOBS.c.state))
        return [(name, state, number) for name, state, number in found]


async def newest(state: str | None, limit: int) -> list[Row]:
    query = select(JOBS).order_by(JOBS.c.created_at.desc()).limit(limit)
    async with database.opened().sessions() as session:
        found = await session.execute(query if state is None else query.where(JOBS.c.state == state))
        return [dict(row) for row in found.mappings()]


async def replay(ids: list[UUID] | None, now: datetime) -> int:
    """How many are enqueued anew."""
    anew = {"state": rows.QUEUED, "attempts": 0, "due_at": now, "finished_at": None}
    async with database.opened().sessions.begin() as session:
        found = (await session.scalars(select(JOBS.c.id).where(*_dead(ids)).with_for_update())).all()
        for job_id in found:
            await session.execute(update(JOBS).where(JOBS.c.id == job_id).values(anew))
            await sending.deliver(session, job_id)
    return len(found)


async def drop(ids: list[UUID] | None, _now: datetime) -> int:
    async with database.opened().sessions.begin() as session:
        dropped: Any = await session.execute(delete(JOBS).where(*_dead(ids)))
        return int(dropped.rowcount)


def _dead(ids: list[UUID] | None) -> tuple[Any, ...]:
    dead = JOBS.c.state == rows.FAILED
    return (dead,) if ids is None else (dead, JOBS.c.id.in_(ids))
