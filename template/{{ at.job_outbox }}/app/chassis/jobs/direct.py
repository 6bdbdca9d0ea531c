"""Jobs straight from the table, where no broker is set: for development."""

import asyncio
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import structlog

from app.chassis.jobs import leases, outbox, store
from app.chassis.jobs.hands import Hands
from app.chassis.jobs.pauses import wait

PAUSE_SECONDS: Final = 0.1
AWAY_SECONDS: Final = 1.0
log = structlog.get_logger()

_connected = False


def connected() -> bool:
    return _connected


async def consume(stop: asyncio.Event) -> None:
    """Until the event is set: run what is due."""
    global _connected
    hands = Hands()
    begun: set[asyncio.Task[None]] = set()
    while not stop.is_set():
        try:
            found = await due(hands.free)
            _connected = True
        except Exception as error:  # noqa: BLE001 - the next time may go well
            _connected = False
            log.warning("jobs.queue_lost", reason=repr(error))
            await wait(stop, AWAY_SECONDS)
            continue
        for job_id in found:
            task = asyncio.create_task(hands.attempt(job_id))
            begun.add(task)
            task.add_done_callback(begun.discard)
        await wait(stop, PAUSE_SECONDS)
    _connected = False
    await hands.finish()


async def due(most: int) -> list[UUID]:
    now = datetime.now(UTC)
    return await store.ask(outbox.claim, now, leases.until(now), most, None) if most else []
