"""procrastinate as the queue: it says which job is next and to whom; what becomes of a job its own row says."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

import structlog

from app.chassis import about, database, jobs, server
from app.chassis.jobs import running
from app.chassis.jobs.statements import TASK
from app.chassis.settings import load

if TYPE_CHECKING:
    from procrastinate import App, BaseRetryStrategy
    from procrastinate.jobs import Job
    from procrastinate.retry import RetryDecision

POLL_SECONDS: Final = 2.0
"""New jobs are notified; what was tried in vain or returned is looked for."""
PAUSE_SECONDS: Final = 1.0
AWAY_SECONDS: Final = 5
log = structlog.get_logger()

_connected = False


def connected() -> bool:
    return _connected


async def consume(stop: asyncio.Event) -> None:
    """Until the event is set: run what is next; whenever the database is away, begin anew."""
    # Each job has a line of its own, and so has each failure: theirs would be seconds.
    logging.getLogger("procrastinate").setLevel(logging.CRITICAL)
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    while not stop.is_set():
        try:
            async with opened() as app:
                await serve(app, stop)
        except Exception as error:  # noqa: BLE001 - the next time may go well
            log.warning("jobs.queue_lost", reason=repr(error))
        if not stop.is_set():
            await asyncio.sleep(PAUSE_SECONDS)


@asynccontextmanager
async def opened() -> AsyncIterator["App"]:
    """Connections for the queue alone: a worker whose jobs take all of the service's still shows that it lives."""
    global _connected
    from procrastinate import App, PsycopgConnector  # noqa: PLC0415 - a process that serves requests needs none of it

    settings = load(database.Settings)
    connector = PsycopgConnector(
        conninfo=conninfo(settings.database_url),
        min_size=1,
        max_size=4,
        timeout=settings.database_connect_timeout,
        kwargs={"connect_timeout": max(2, round(settings.database_connect_timeout)), "application_name": about.NAME},
    )
    app = App(connector=connector)
    app.task(name=TASK, retry=redelivery())(run)
    async with app.open_async():
        _connected = True
        try:
            yield app
        finally:
            _connected = False


async def serve(app: "App", stop: asyncio.Event) -> None:
    stalled_after = load(jobs.Settings).jobs_stalled_after
    worker = asyncio.create_task(
        app.run_worker_async(
            concurrency=load(jobs.Settings).jobs_concurrency,
            fetch_job_polling_interval=POLL_SECONDS,
            shutdown_graceful_timeout=max(0.5, load(server.Settings).shutdown_timeout - 2.0),
            delete_jobs="always",
            install_signal_handlers=False,
            update_heartbeat_interval=stalled_after / 6,
            stalled_worker_timeout=stalled_after,
        )
    )
    rescuer = asyncio.create_task(rescue_again(app, stalled_after))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({worker, stopping, rescuer}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (stopping, rescuer, worker):
            # To the worker it means: nothing new, and so many seconds for what has begun.
            task.cancel()
        ends = await asyncio.gather(worker, rescuer, stopping, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end


async def run(job: str) -> None:
    """What procrastinate calls. Raises Again for a job that is to be delivered again."""
    ended = await running.attempt(UUID(job))
    if ended.again_at is not None:
        raise Again(ended.again_at)


class Again(Exception):
    def __init__(self, at: datetime) -> None:
        super().__init__(at)
        self.at = at


def redelivery() -> "BaseRetryStrategy":
    from procrastinate import BaseRetryStrategy, RetryDecision  # noqa: PLC0415 - as above

    class Redelivery(BaseRetryStrategy):
        """As its row says; at once what a stop has returned, after a pause what the database was away for."""

        def get_retry_decision(self, *, exception: BaseException, job: "Job") -> "RetryDecision":  # noqa: ARG002
            if isinstance(exception, Again):
                return RetryDecision(retry_at=exception.at)
            if isinstance(exception, asyncio.CancelledError):
                return RetryDecision()
            return RetryDecision(retry_in={"seconds": AWAY_SECONDS})

    return Redelivery()


async def rescue_again(app: "App", stalled_after: float) -> None:
    while True:
        await asyncio.sleep(stalled_after / 6)
        await rescue(app, stalled_after)


async def rescue(app: "App", stalled_after: float) -> None:
    """Queue anew what workers had that show no sign of life; an attempt that goes on all the same cannot commit."""
    from procrastinate.exceptions import ConnectorException  # noqa: PLC0415 - as above

    for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=stalled_after):
        try:
            await app.job_manager.retry_job(job=job)
        except ConnectorException as error:
            # Another worker was faster, or the database is away: the next round sees.
            log.info("jobs.not_rescued", job=job.task_kwargs.get("job"), reason=repr(error))


def conninfo(url: str) -> str:
    """DATABASE_URL as libpq reads it: what only the service's own driver knows is left out."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    query.pop("prepared_statement_cache_size", None)
    if "ssl" in query:
        query["sslmode"] = query.pop("ssl")
    return parts._replace(scheme="postgresql", query=urlencode(query)).geturl()
