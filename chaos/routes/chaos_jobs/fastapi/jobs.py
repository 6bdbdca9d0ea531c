"""The effect of a job: a row, and nothing that would keep a second one away."""

import asyncio
from random import random

from app.chassis.jobs import job
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


# What is killed again and again still has to end.
@job(retries=100, backoff=0.01)
async def follow(session: AsyncSession, *, name: str) -> None:
    await session.execute(text("INSERT INTO chaos_effects (name) VALUES (:name)"), {"name": name})
    await asyncio.sleep(random() * 0.4)
