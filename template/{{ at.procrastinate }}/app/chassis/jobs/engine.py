"""procrastinate as the queue: it says which job is next and to whom; what becomes of a job its own row says."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

import structlog

from app.chassis import about, database, jobs, server
from app.chassis.jobs import running
from app.chassis.jobs.statements import RESCUE, TASK
from app.chassis.settings import load

if TYPE_CHECKING:
    from procrastinate import App, BaseRetryStrategy
    from procrastinate.jobs import Job
    from procrastinate.retry import RetryDecision
    from procrastinate.worker import Worker

POLL_SECONDS: Final = 2.0
"""New jobs are notified; what was tried in vain or returned is looked for."""
PAUSE_SECONDS: Final = 1.0
AWAY_SECONDS: Final = 5
log = structlog.get_logger()

_connected = False
_held: set[str] = set()
"""What this worker is at."""


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
    from procrastinate.worker import Worker  # noqa: PLC0415 - as above

    stalled_after = load(jobs.Settings).jobs_stalled_after
    worker = Worker(
        app,
        concurrency=load(jobs.Settings).jobs_concurrency,
        fetch_job_polling_interval=POLL_SECONDS,
        shutdown_graceful_timeout=max(0.5, load(server.Settings).shutdown_timeout - 2.0),
        delete_jobs="always",
        install_signal_handlers=False,
        update_heartbeat_interval=stalled_after / 6,
        stalled_worker_timeout=stalled_after,
    )
    work: Coroutine[Any, Any, None] = worker.run()  # type: ignore[no-untyped-call]
    tasks = [asyncio.create_task(one) for one in (work, rescue_again(app, worker, stalled_after), until(stop))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            # To the worker it means: nothing new, and so many seconds for what has begun.
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end


async def until(stop: asyncio.Event) -> None:
    await stop.wait()


async def run(job: str) -> None:
    """What procrastinate calls. Raises Again for a job that is to be delivered again."""
    _held.add(job)
    try:
        ended = await running.attempt(UUID(job))
    finally:
        _held.discard(job)
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


async def rescue_again(app: "App", worker: "Worker", stalled_after: float) -> None:
    """Queue anew what workers had that show no sign of life; an attempt that goes on all the same cannot commit.

    And what this one has ended without being able to say so: the connection was lost in that moment.
    """
    before: set[int | None] = set()
    while True:
        await asyncio.sleep(stalled_after / 6)
        await rescue(app, await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=stalled_after))
        doing = await app.job_manager.list_jobs_async(status="doing", worker_id=worker.worker_id or 0)
        ended = [job for job in doing if job.task_kwargs["job"] not in _held]
        # Some have just been taken, or are about to be done: those that were seen twice are neither.
        await rescue(app, [job for job in ended if job.id in before])
        before = {job.id for job in ended}


async def rescue(app: "App", stalled: "Iterable[Job]") -> None:
    """As another delivery: whoever comes back late and says that his own has ended must not end this one."""
    from procrastinate.exceptions import ConnectorException  # noqa: PLC0415 - as above

    for job in stalled:
        try:
            await app.connector.execute_query_async(RESCUE, id=job.id, worker=job.worker_id)
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
