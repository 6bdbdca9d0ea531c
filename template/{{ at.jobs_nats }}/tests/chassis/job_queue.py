"""The NATS of these tests, and what no worker would do with a stream on it."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

VARIABLE = "JOBS_BROKER_URL"
URL = os.environ.get(VARIABLE) or "nats://127.0.0.1:4222"
USUAL_PORT = 4222
MISSING = "no NATS answers: set JOBS_BROKER_URL, or start nats-server --jetstream on 127.0.0.1:4222"


def send(queue: str, *bodies: bytes) -> None:
    async def sent(context: Any) -> None:
        for body in bodies:
            await context.publish(queue, body)

    asyncio.run(speaking(sent))


def lose(queue: str) -> None:
    """All that waits in it."""
    asyncio.run(speaking(lambda context: context.purge_stream(queue)))


def forget(queue: str) -> None:
    """Leave nothing behind."""
    asyncio.run(speaking(lambda context: context.delete_stream(queue)))


async def speaking(work: Callable[[Any], Awaitable[Any]]) -> None:
    import nats  # noqa: PLC0415 - only where a server answers

    client = await nats.connect(URL, connect_timeout=2, allow_reconnect=False)
    try:
        await work(client.jetstream())
    finally:
        await client.close()
