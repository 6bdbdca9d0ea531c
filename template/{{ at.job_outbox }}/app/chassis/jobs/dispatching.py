"""Hands the ids of jobs that have to be delivered to the broker, at least once each."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import structlog

from app.chassis import jobs
from app.chassis.jobs import engine, leases, outbox, store
from app.chassis.jobs.pauses import wait
from app.chassis.settings import load

SHORTEST_PAUSE: Final = 0.02
LONGEST_PAUSE: Final = 0.5
AWAY_SECONDS: Final = 1.0
PUBLISH_SECONDS: Final = 10.0
BATCH: Final = 100
AHEAD: Final = 20
"""Ids in the broker for each job that a worker runs at a time: a longer queue would be delivered anew as it waits."""
log = structlog.get_logger()
Publish = Callable[[Sequence[UUID]], Awaitable[None]]

_connected = False


def connected() -> bool:
    return _connected


async def run(stop: asyncio.Event) -> None:
    """Until the event is set; whoever is away, the broker or the database, is tried again."""
    global _connected
    while not stop.is_set():
        try:
            async with engine.publisher() as publish:
                _connected = True
                await dispatch(publish, stop)
        except Exception as error:  # noqa: BLE001 - what waits in the table is not lost, and somebody has to go on
            log.warning("jobs.not_delivered", reason=repr(error))
        finally:
            _connected = False
        await wait(stop, AWAY_SECONDS)


async def dispatch(publish: Publish, stop: asyncio.Event) -> None:
    """One batch after the other, with short pauses while jobs come and longer ones when none do."""
    pause = SHORTEST_PAUSE
    while not stop.is_set():
        pause = SHORTEST_PAUSE if await batch(publish) else min(LONGEST_PAUSE, pause * 2)
        await wait(stop, pause)


async def batch(publish: Publish) -> int:
    """How many have been handed over. Raises what kept them from it."""
    now = datetime.now(UTC)
    until = leases.until(now)
    ahead = AHEAD * load(jobs.Settings).jobs_concurrency
    ids = await store.ask(outbox.claim, now, until, BATCH, ahead)
    if ids:
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                await publish(ids)
        except BaseException:
            await store.ask(outbox.release, ids, datetime.now(UTC))
            raise
    return len(ids)
