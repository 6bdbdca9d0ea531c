"""taskiq as the queue: its brokers carry the ids of jobs, its receiver takes them; what becomes of one its row says."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import structlog

from app.chassis import job_broker, jobs
from app.chassis.jobs import transport
from app.chassis.jobs.hands import Hands
from app.chassis.jobs.pauses import wait
from app.chassis.settings import load

if TYPE_CHECKING:
    from taskiq import AsyncBroker

TASK: Final = "chassis.job"
CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 5.0
LOOK_SECONDS: Final = 2.0
PAUSE_SECONDS: Final = 1.0
# Each job has a line of its own, and so has each failure.
SILENT: Final = ("taskiq", "taskiq_nats", "aio_pika", "aiormq", "nats")
log = structlog.get_logger()

_connected = False


def connected() -> bool:
    return _connected


async def consume(stop: asyncio.Event) -> None:
    """Until the event is set: take ids from the broker and run them; whenever it is away, begin anew."""
    hands = Hands()
    while not stop.is_set():
        try:
            async with opened(worker=True) as broker:
                await serve(broker, hands, stop)
        except Exception as error:  # noqa: BLE001 - the next time may go well
            log.warning("jobs.queue_lost", reason=repr(error))
        if not stop.is_set():
            await wait(stop, PAUSE_SECONDS)
    await hands.finish()


@asynccontextmanager
async def publisher() -> AsyncIterator[Callable[[Sequence[UUID]], Awaitable[None]]]:
    """Hands ids to the broker; what it raises may be cured by opening another one."""
    async with opened(worker=False) as broker:

        async def publish(ids: Sequence[UUID]) -> None:
            for job_id in ids:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await broker.kick(broker.formatter.dumps(carrying(job_id)))

        yield publish


@asynccontextmanager
async def opened(*, worker: bool) -> AsyncIterator["AsyncBroker"]:
    """A connection that is there. Raises whatever is in the way."""
    for name in SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    settings = load(job_broker.Settings)
    broker = transport.made(settings.jobs_broker_url, settings.jobs_broker_queue)
    broker.formatter = formatter()
    broker.is_worker_process = worker
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await broker.startup()
            await transport.check(broker)
        yield broker
    finally:
        # Of a connection that is lost there is nothing to close in order.
        with suppress(Exception):
            async with asyncio.timeout(ANSWER_SECONDS):
                await broker.shutdown()


async def serve(broker: "AsyncBroker", hands: Hands, stop: asyncio.Event) -> None:
    """Until the event is set. Raises when the broker is away."""
    global _connected
    from taskiq.acks import AcknowledgeType  # noqa: PLC0415 - a process that serves requests needs none of it
    from taskiq.receiver import Receiver  # noqa: PLC0415 - as above

    async def run(job: str) -> None:
        await hands.attempt(UUID(job))

    broker.register_task(run, task_name=TASK)
    receiver = Receiver(
        broker,
        max_async_tasks=load(jobs.Settings).jobs_concurrency,
        run_startup=False,
        # What is lost after that its lease brings again.
        ack_type=AcknowledgeType.WHEN_RECEIVED,
        # Ours are waited for by `finish`.
        wait_tasks_timeout=0.01,
    )
    tasks = [asyncio.create_task(receiver.listen(stop)), asyncio.create_task(look(broker))]
    _connected = True
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        _connected = False
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end


async def look(broker: "AsyncBroker") -> None:
    """Raises when the broker does not answer any more: not each of the packages says so while it waits for messages."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        async with asyncio.timeout(ANSWER_SECONDS):
            await transport.check(broker)


# -- what is sent ------------------------------------------------------------------------------------------------------


def carrying(job_id: UUID) -> Any:
    from taskiq.message import TaskiqMessage  # noqa: PLC0415 - as above

    return TaskiqMessage(task_id=str(job_id), task_name=TASK, labels={}, args=[str(job_id)], kwargs={})


def formatter() -> Any:
    """A message is the id of a job, and nothing else."""
    from taskiq.abc.formatter import TaskiqFormatter  # noqa: PLC0415 - as above
    from taskiq.message import BrokerMessage, TaskiqMessage  # noqa: PLC0415 - as above

    class Ids(TaskiqFormatter):
        def dumps(self, message: TaskiqMessage) -> BrokerMessage:
            return BrokerMessage(
                task_id=message.task_id, task_name=TASK, message=message.task_id.encode(), labels=message.labels
            )

        def loads(self, message: bytes) -> TaskiqMessage:
            """Raises ValueError for what is no id; the receiver then drops it."""
            try:
                return carrying(UUID(message.decode()))  # type: ignore[no-any-return]
            except ValueError:
                log.warning("jobs.malformed", message=repr(message[:100]))
                raise

    return Ids()
