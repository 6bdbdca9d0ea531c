"""Celery as the queue: its worker takes the ids of jobs from the broker; what becomes of a job its own row says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from threading import Thread
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import structlog

from app.chassis import jobs, server
from app.chassis.jobs import running
from app.chassis.settings import load

if TYPE_CHECKING:
    from app.chassis.jobs.celery_worker import Worker

PAUSE_SECONDS: Final = 1.0
LEAVE_SECONDS: Final = 1.5
"""A worker that has not left by then is waiting for an answer that nobody waits for any more."""
log = structlog.get_logger()

_worker: "Worker | None" = None


def connected() -> bool:
    return _worker is not None and _worker.connected


async def consume(stop: asyncio.Event) -> None:
    """Until the event is set: run what the broker names; whenever it is away, begin anew."""
    hands = Hands(load(jobs.Settings).jobs_concurrency)
    try:
        while not stop.is_set():
            try:
                await serve(stop, hands)
            except Exception as error:  # noqa: BLE001 - the next time may go well
                log.warning("jobs.queue_lost", reason=repr(error))
            if not stop.is_set():
                await asyncio.sleep(PAUSE_SECONDS)
    finally:
        await hands.finish()


async def serve(stop: asyncio.Event, hands: "Hands") -> None:
    """Raises what has ended the connection."""
    global _worker
    from app.chassis.jobs.celery_worker import Worker  # noqa: PLC0415 - a process that serves requests needs no Celery

    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    worker = _worker = await asyncio.to_thread(Worker, lambda *given: loop.call_soon_threadsafe(hands.take, *given))
    # Not one of an executor: those are waited for when the process ends.
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
    if ended.done():
        ended.result()


class Hands:
    """What is at work, whatever becomes of the connection meanwhile: so many at a time, none once it finishes."""

    def __init__(self, number: int) -> None:
        self.free = asyncio.Semaphore(number)
        self.tasks: set[asyncio.Task[None]] = set()
        self.closed = False

    def take(self, job_id: UUID, over: Callable[[bool], None]) -> None:
        """`over(True)` when the broker may forget it, `over(False)` when somebody else is to have it."""
        task = asyncio.create_task(self.attempt(job_id, over))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def attempt(self, job_id: UUID, over: Callable[[bool], None]) -> None:
        begun = False
        try:
            async with self.free:
                if not self.closed:
                    begun = True
                    await running.attempt(job_id)
        except Exception as error:  # noqa: BLE001 - without a sign of life it is delivered again
            log.warning("jobs.attempt_lost", job=str(job_id), reason=repr(error))
        finally:
            over(begun)

    async def finish(self) -> None:
        """Let what has begun end; what takes too long returns its row when it is cancelled."""
        self.closed = True
        if not self.tasks:
            return
        _, late = await asyncio.wait(self.tasks, timeout=max(0.5, load(server.Settings).shutdown_timeout - 2.0))
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


@asynccontextmanager
async def publisher() -> AsyncIterator[Callable[[Sequence[UUID]], Awaitable[None]]]:
    """Hands ids to the broker, and returns when it has them. Raises when it is away; the next time may go well."""
    from app.chassis.jobs.celery_worker import Publisher  # noqa: PLC0415 - as above

    loop = asyncio.get_running_loop()
    sender = Publisher()
    # One thread: a connection is for one at a time, and closed by whoever had it last.
    thread = ThreadPoolExecutor(1, "celery-publisher")

    async def send(ids: Sequence[UUID]) -> None:
        await loop.run_in_executor(thread, sender.send, ids)

    try:
        yield send
    finally:
        thread.submit(sender.close)
        thread.shutdown(wait=False)
