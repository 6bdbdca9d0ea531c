"""The effect of an event: a row, and nothing that would keep a second one away."""

import asyncio
from random import random

from app.chassis.events.registry import handles
from app.features.chaos_events.events import Written
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


@handles(Written, together=True)
async def follow(session: AsyncSession, event: Written) -> None:
    await session.execute(text("INSERT INTO chaos_effects (name) VALUES (:name)"), {"name": event.name})
    await asyncio.sleep(random() * 0.1)
