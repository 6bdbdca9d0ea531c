"""Jobs that do, or fail to do, what the tests want."""

import asyncio
import os
import signal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis.jobs import GiveUp, job
from app.chassis.jobs.queue import progress


async def leave(session: AsyncSession, name: str) -> None:
    await session.execute(text("INSERT INTO probe_notes (name) VALUES (:name)"), {"name": name})


@job()
async def note(session: AsyncSession, *, name: str) -> dict[str, str]:
    await leave(session, name)
    return {"noted": name}


@job(backoff=0.1)
async def slow(session: AsyncSession, *, name: str, seconds: float) -> None:
    """The effect first: whatever ends it takes that back. SQLite has one writer, and others have to write meanwhile."""
    early = session.get_bind().dialect.name != "sqlite"
    if early:
        await leave(session, name)
    for step in range(100):
        await progress(step, 100)
        await asyncio.sleep(seconds / 100)
    if not early:
        await leave(session, name)


@job(timeout=120)
async def silent(session: AsyncSession, *, name: str, seconds: float) -> None:
    """It never says how far it is. The effect last, as SQLite has one writer."""
    await asyncio.sleep(seconds)
    await leave(session, name)


@job(retries=2, backoff=0.05)
async def failing(session: AsyncSession, *, name: str) -> None:
    await leave(session, name)
    raise RuntimeError("password=hunter2 was refused")


@job()
async def hopeless(session: AsyncSession) -> None:
    raise GiveUp("never")


@job(retries=1, backoff=0.05, timeout=0.3)
async def late(session: AsyncSession, *, name: str) -> None:
    await leave(session, name)
    await asyncio.sleep(60)


@job(retries=1, backoff=0.05)
async def deadly(session: AsyncSession) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@job(unique="{key}")
async def single(session: AsyncSession, *, key: str) -> None:
    await leave(session, key)


@job(name="trial.changed")
async def changed(session: AsyncSession, *, renamed: str) -> None:
    await leave(session, renamed)
