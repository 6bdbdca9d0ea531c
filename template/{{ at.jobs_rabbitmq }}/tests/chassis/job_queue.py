"""The RabbitMQ of these tests, and what no worker would do with a queue on it."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

VARIABLE = "JOBS_BROKER_URL"
URL = os.environ.get(VARIABLE) or "amqp://guest:guest@127.0.0.1:5672/"
USUAL_PORT = 5672
MISSING = "no RabbitMQ answers: set JOBS_BROKER_URL, or start one on 127.0.0.1:5672"


def send(queue: str, *bodies: bytes) -> None:
    from aio_pika import Message  # noqa: PLC0415 - only where a server answers

    async def sent(channel: Any) -> None:
        for body in bodies:
            await channel.default_exchange.publish(Message(body), routing_key=queue)

    asyncio.run(speaking(sent))


def lose(queue: str) -> None:
    """All that waits in it."""

    async def purged(channel: Any) -> None:
        await (await channel.get_queue(queue)).purge()

    asyncio.run(speaking(purged))


def forget(queue: str) -> None:
    """Leave nothing behind."""

    async def deleted(channel: Any) -> None:
        for name in (queue, f"{queue}-dead"):
            await channel.queue_delete(name)
        await channel.exchange_delete(queue)

    asyncio.run(speaking(deleted))


async def speaking(work: Callable[[Any], Awaitable[None]]) -> None:
    from aio_pika import connect  # noqa: PLC0415 - as above

    async with await connect(URL, timeout=5) as connection, connection.channel() as channel:
        await work(channel)
