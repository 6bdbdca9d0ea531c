"""Hands the ids of jobs to the broker, each so many times."""

import sys
from uuid import UUID

# The command first: it loads the framework, and the engine imports the models.
from app.chassis.jobs import command, engine


def main() -> None:
    times, *ids = sys.argv[1:]
    command.run(lambda: publish([UUID(one) for one in ids] * int(times)))


async def publish(ids: list[UUID]) -> None:
    async with engine.publisher() as send:
        await send(ids)
