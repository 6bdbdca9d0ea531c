"""The RabbitMQ of these tests, and how to put something on it that no relay would."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from tests.chassis import outage

VARIABLE = "RABBITMQ_URL"
URL = os.environ.get(VARIABLE) or "amqp://guest:guest@127.0.0.1:5672/"
# What nobody has acknowledged comes again as soon as its connection is gone.
IMPATIENT: dict[str, str] = {}
MISSING = "no RabbitMQ answers: set RABBITMQ_URL, or start one on 127.0.0.1:5672"


def is_there() -> bool:
    return outage.answers(URL)


def variables(url: str = URL) -> dict[str, str]:
    """An exchange and queues of this run's own."""
    name = f"test-{uuid4().hex}"
    return {VARIABLE: url, "RABBITMQ_EXCHANGE": name, "EVENTS_GROUP": name}


class Proxy(outage.Proxy):
    """In front of it, to take it away."""

    def __init__(self) -> None:
        super().__init__(URL)


def send(env: dict[str, str], kind: str, *bodies: bytes) -> None:
    from aio_pika import Message  # noqa: PLC0415 - only where a server answers

    async def sent(channel: Any) -> None:
        exchange = await channel.get_exchange(env["RABBITMQ_EXCHANGE"])
        for body in bodies:
            await exchange.publish(Message(body), routing_key=kind)

    asyncio.run(speaking(sent))


def forget(env: dict[str, str]) -> None:
    """Leave nothing behind."""

    async def deleted(channel: Any) -> None:
        for kind in ("probe.noted", "orders.placed", "orders.cancelled"):
            await channel.queue_delete(f"{env['EVENTS_GROUP']}.{kind}")
        await channel.exchange_delete(env["RABBITMQ_EXCHANGE"])

    asyncio.run(speaking(deleted))


async def speaking(work: Callable[[Any], Awaitable[None]]) -> None:
    from aio_pika import connect  # noqa: PLC0415 - as above

    async with await connect(URL, timeout=5) as connection, connection.channel() as channel:
        await work(channel)
