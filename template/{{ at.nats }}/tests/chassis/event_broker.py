"""The NATS of these tests, and how to put something on it that no relay would."""

import asyncio
import os
from typing import Any
from uuid import uuid4

from tests.chassis import outage

VARIABLE = "NATS_URL"
URL = os.environ.get(VARIABLE) or "nats://127.0.0.1:4222"
# What nobody has acknowledged comes again soon.
IMPATIENT = {"NATS_ACK_WAIT": "1"}
MISSING = "no NATS answers: set NATS_URL, or start nats-server --jetstream on 127.0.0.1:4222"


def is_there() -> bool:
    return outage.answers(URL)


def variables(url: str = URL) -> dict[str, str]:
    """A stream of this run's own."""
    return {VARIABLE: url, "NATS_STREAM": f"test-{uuid4().hex}"}


class Proxy(outage.Proxy):
    """In front of it, to take it away."""

    def __init__(self) -> None:
        super().__init__(URL)


def send(env: dict[str, str], kind: str, *bodies: bytes) -> None:
    async def sent(context: Any) -> None:
        for body in bodies:
            await context.publish(f"{env['NATS_STREAM']}.{kind}", body)

    asyncio.run(speaking(sent))


def forget(env: dict[str, str]) -> None:
    """Leave nothing behind."""

    async def deleted(context: Any) -> None:
        await context.delete_stream(env["NATS_STREAM"])

    asyncio.run(speaking(deleted))


async def speaking(work: Any) -> None:
    import nats  # noqa: PLC0415 - only where a server answers

    client = await nats.connect(URL, connect_timeout=2, allow_reconnect=False)
    try:
        await work(client.jetstream())
    finally:
        await client.close()
