"""What requests wait for under ASGI: their turn in the event loop, a connection of the database, a thread."""

import asyncio
import math
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Final

from anyio import to_thread

from app.chassis import database, readiness
from app.chassis.admission import TICK_SECONDS, Admission

SPARE_THREADS: Final = 0

late = math.inf
"""When the event loop will be so late that requests wait too long for it; in seconds of `time.perf_counter`."""


def most() -> int:
    """How many requests can be inside: tasks are not counted."""
    return sys.maxsize


def turn(*, busy: bool) -> Awaitable[None] | None:
    """When it is busy, let whoever has come meanwhile enter before the work begins.

    What never waits for anything would else be served one after the other: never more than one of them would be inside,
    and all the others would stand in the queue of the event loop, where nobody counts them.
    """
    return asyncio.sleep(0) if busy else None


def left() -> None:
    """Nothing: a task takes no place."""


@asynccontextmanager
async def watched(admission: Admission) -> AsyncIterator[None]:
    watching = asyncio.create_task(_watch(admission))
    try:
        yield
    finally:
        watching.cancel()


async def _watch(admission: Admission) -> None:
    global late
    while True:
        begun = perf_counter()
        late = begun + TICK_SECONDS + admission.target
        await asyncio.sleep(TICK_SECONDS)
        elapsed = perf_counter() - begun
        # A reply that has begun waits for its client, or is a conversation: neither is work that could be too much.
        for request in [one for one in admission.inside if one.begun]:
            admission.leave(request)
        if readiness.opened():
            admission.tick(lag=elapsed - TICK_SECONDS, waiting=waiting(admission), elapsed=elapsed)


def waiting(_admission: Admission) -> int:
    """How many wait for a connection, or for a thread to run synchronous code."""
    return database.queued() + to_thread.current_default_thread_limiter().statistics().tasks_waiting
