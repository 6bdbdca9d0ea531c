"""Celery as the queue: its worker takes the ids of jobs from the broker; what becomes of one its row says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from threading import Thread
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import structlog

from app.chassis.jobs.hands import Hands
from app.chassis.jobs.pauses import wait

if TYPE_CHECKING:
    from app.chassis.jobs.celery_worker import Over, Take, Worker

PAUSE_SECONDS: Final = 1.0
LEAVE_SECONDS: Final = 1.5
"""A worker of Celery that has not left by then waits for an answer that nobody needs any more."""
log = structlog.get_logger()

_worker: "Worker | None" = None


def connected() -> bool:
    return _worker is not None and _worker.connected


async def consume(stop: asyncio.Event) -> None:
    """Until the event is set: take ids from the broker and run them; whenever it is away, begin anew."""
    hands = Hands()
    begun: set[asyncio.Task[None]] = set()

    def take(job_id: UUID, over: "Over") -> None:
        task = asyncio.create_task(hands.attempt(job_id))
        begun.add(task)
        task.add_done_callback(begun.discard)
        task.add_done_callback(lambda _: over())

    while not stop.is_set():
        try:
            await serve(take, hands, stop)
        except Exception as error:  # noqa: BLE001 - the next time may go well
            # Not repr: redis's errors say there that they are of the network, and no more.
            log.warning("jobs.queue_lost", reason=f"{type(error).__name__}: {error}")
            await wait(stop, PAUSE_SECONDS)
    await hands.finish()


async def serve(take: "Take", hands: Hands, stop: asyncio.Event) -> None:
    """Until the event is set. Raises what has ended the connection."""
    global _worker
    from app.chassis.jobs.celery_worker import Worker  # noqa: PLC0415 - a process that serves requests needs no Celery

    loop = asyncio.get_running_loop()
    worker = _worker = await asyncio.to_thread(Worker, lambda *given: loop.call_soon_threadsafe(take, *given))
    ended: asyncio.Future[None] = loop.create_future()
    # None of an executor: the process would wait for it when it ends.
    Thread(target=worker.run, args=(loop, ended), name="celery", daemon=True).start()
    stopping: asyncio.Future[Any] = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([ended, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            worker.rest()
            await hands.finish()
    finally:
        stopping.cancel()
        worker.leave()
        await asyncio.wait([ended], timeout=LEAVE_SECONDS)
    if not ended.cancel():
        ended.result()


@asynccontextmanager
async def publisher() -> AsyncIterator[Callable[[Sequence[UUID]], Awaitable[None]]]:
    """Hands ids to the broker; what it raises may be cured by opening another one."""
    from app.chassis.jobs.celery_app import Publisher  # noqa: PLC0415 - as above

    loop = asyncio.get_running_loop()
    sender = Publisher()
    # One thread, as a connection is for one at a time: whoever closes it waits until nobody uses it.
    thread = ThreadPoolExecutor(1, "celery-publisher")

    async def publish(ids: Sequence[UUID]) -> None:
        await loop.run_in_executor(thread, sender.send, ids)

    try:
        await loop.run_in_executor(thread, sender.open)
        yield publish
    finally:
        thread.submit(sender.close)
        thread.shutdown(wait=False)
