"""What a service does with the event of these tests."""

import asyncio
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis.events.registry import handles, upcast
from tests.chassis.noted import EFFECT, Noted, suffer


@handles(Noted)
async def note(session: AsyncSession, event: Noted) -> None:
    await session.execute(text(EFFECT.format(name=":name", number=":number", place=":place")), event.effect())
    suffer(event)
    if event.trouble == "take back":
        await session.rollback()
    await asyncio.sleep(event.seconds)


@upcast(Noted, from_version=1)
def rename(data: dict[str, Any]) -> dict[str, Any]:
    return {"name": data["title"], "number": data["number"]}
