"""Hands the ids of jobs to the broker, each so many times."""

import asyncio
import sys
from uuid import UUID

from app.chassis.jobs import engine


def main() -> None:
    times, *ids = sys.argv[1:]
    asyncio.run(publish([UUID(one) for one in ids] * int(times)))


async def publish(ids: list[UUID]) -> None:
    async with engine.publisher() as send:
        await send(ids)
