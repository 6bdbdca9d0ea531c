"""The attempts that this worker has begun: as many at a time as it may, whoever brings them."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog

from app.chassis import jobs, server
from app.chassis.jobs import outbox, running, store
from app.chassis.settings import load

AGAIN_SECONDS: Final = 1.0
log = structlog.get_logger()


class Hands:
    def __init__(self) -> None:
        self.free = load(jobs.Settings).jobs_concurrency
        self._slots = asyncio.Semaphore(self.free)
        self._begun: set[asyncio.Task[Any]] = set()
        self._at: set[UUID] = set()
        self._closed = False

    async def attempt(self, job_id: UUID) -> None:
        """Once there is room. Whatever is in the way of it, such as a deadlock, is logged: it is delivered again.

        Not what this worker is at: a job that keeps SQLite's file to itself keeps it from renewing the lease, too.
        """
        async with self._slots:
            if job_id in self._at:
                return
            self._at.add(job_id)
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 - a coroutine runs in one
            self._begun.add(task)
            self.free -= 1
            try:
                await (self._return(job_id) if self._closed else running.attempt(job_id))
            except Exception as error:  # noqa: BLE001 - such as a database that is away
                log.warning("jobs.attempt_lost", job=str(job_id), reason=repr(error))
                await self._deliver_again(job_id)
            finally:
                self.free += 1
                self._at.discard(job_id)
                self._begun.discard(task)

    async def _deliver_again(self, job_id: UUID) -> None:
        """Soon, if it has not begun; else when nobody says any more that it runs."""
        with suppress(Exception):
            await store.ask(outbox.release, [job_id], datetime.now(UTC) + timedelta(seconds=AGAIN_SECONDS))

    async def _return(self, job_id: UUID) -> None:
        await store.ask(outbox.release, [job_id], datetime.now(UTC))

    async def finish(self) -> None:
        """Give what has begun its time, then end it, which gives it back; nothing begins any more."""
        self._closed = True
        if self._begun:
            await asyncio.wait(self._begun, timeout=max(0.5, load(server.Settings).shutdown_timeout - 2.0))
        while late := set(self._begun):
            for task in late:
                task.cancel()
            await asyncio.wait(late)
