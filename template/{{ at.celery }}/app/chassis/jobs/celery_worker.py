"""Celery's own worker and messages: blocking, so in threads; imported by those processes alone that need it."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final
from uuid import UUID

import structlog
from celery import Celery
from celery.exceptions import WorkerShutdown
from celery.worker import WorkController
from celery.worker.consumer import Consumer
from kombu import Connection, Queue
from kombu.asynchronous import set_event_loop
from kombu.message import Message

from app.chassis import about, jobs
from app.chassis.jobs import broker
from app.chassis.settings import load

TASK: Final = "chassis.job"
ANSWER_SECONDS: Final = 4
"""For the broker: to be connected, and to say that it has a message."""
HEARTBEAT_SECONDS: Final = 10
log = structlog.get_logger()
theirs = logging.getLogger("celery")

Over = Callable[[bool], None]
Take = Callable[[UUID, Over], object]


def application() -> Celery:
    """A new one each time: what one has registered another would find."""
    settings = load(broker.Settings)
    url, queue = settings.jobs_broker_url, settings.jobs_broker_queue
    # Not the current one: that is for an application that the service may have for itself.
    app = Celery(about.NAME, set_as_current=False, fixups=[])
    app.conf.update(
        # These two, as CELERY_BROKER_URL in the environment wins over broker_url.
        broker_read_url=url,
        broker_write_url=url,
        broker_transport_options=AMQP if url.startswith("amqp") else REDIS,
        broker_connection_timeout=ANSWER_SECONDS,
        broker_heartbeat=HEARTBEAT_SECONDS,
        # Whoever runs the worker begins anew, and says so: Celery would wait for up to half a minute.
        broker_connection_retry=False,
        broker_connection_retry_on_startup=False,
        task_publish_retry=False,
        task_default_queue=queue,
        task_queues=[Queue(queue)],
        worker_concurrency=load(jobs.Settings).jobs_concurrency,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_pool="solo",
    )
    return app


AMQP: Final = {"confirm_publish": True, "write_timeout": ANSWER_SECONDS}
# What a killed worker had is delivered again by its row: nothing else has to remember it.
REDIS: Final = {
    "ack_emulation": False,
    "socket_timeout": ANSWER_SECONDS,
    "socket_connect_timeout": ANSWER_SECONDS,
    "health_check_interval": HEARTBEAT_SECONDS,
}


# -- what comes --------------------------------------------------------------------------------------------------------


class Worker:
    """One connection to the broker, until it is lost or left. What comes is taken at once by somebody else."""

    def __init__(self, take: Take) -> None:
        # Each job has a line of its own, and so has a lost connection: theirs would be seconds.
        for name in ("celery", "kombu", "amqp"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        self.connected = False
        self.resting = False
        # One that has not been left in order has its loop still there.
        set_event_loop(None)
        self.celery: Any = WorkController(
            app=application(),
            consumer_cls=partial(Listener, take, self),
            ready_callback=self.ready,
            use_eventloop=True,
            without_mingle=True,
            without_gossip=True,
            without_heartbeat=True,
        )

    def run(self, loop: asyncio.AbstractEventLoop, ended: "asyncio.Future[None]") -> None:
        """Block until the end, and say why it came."""
        end: BaseException | None = None
        try:
            self.celery.blueprint.start(self.celery)
        except WorkerShutdown as error:
            # It has a cause when the broker was lost.
            end = error.__cause__
        except BaseException as error:  # noqa: BLE001 - as every other end
            end = error
        self.connected = False
        # The cold way: whatever it waits for has a limit.
        self.celery.terminate()
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(tell, ended, end)

    def ready(self, _: object) -> None:
        self.connected = True

    def rest(self) -> None:
        """Take nothing new."""
        self.resting = True
        self.celery.hub.call_soon(self.celery.consumer.rest)

    def leave(self) -> None:
        """End as soon as everything is acknowledged that waits for it: what is called soon has no order."""
        self.celery.hub.call_soon(self.celery.hub.call_later, 0, shut_down)


def tell(ended: "asyncio.Future[None]", end: BaseException | None) -> None:
    if ended.done():
        return
    if end is None:
        ended.set_result(None)
    else:
        ended.set_exception(end if isinstance(end, Exception) else ConnectionError(repr(end)))


def shut_down() -> None:
    raise WorkerShutdown(0)


class Listener(Consumer):
    """Celery's consumer without its tasks: a job is found by its row, and runs in the loop of the process."""

    # What its types do not know.
    connection_errors: Any
    task_consumer: Any

    def __init__(self, take: Take, worker: Worker, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.take, self.worker = take, worker

    def create_task_handler(self, *_: object, **__: object) -> Callable[[Message], None]:
        return self.received

    def received(self, message: Message) -> None:
        if self.worker.resting:
            self.finish(message, over=False)
            return
        try:
            job_id = named(message)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no job
            log.warning("jobs.message_dropped", reason=repr(error))
            self.finish(message, over=True)
        else:
            self.take(job_id, lambda over: self.call_soon(self.finish, message, over=over))

    def finish(self, message: Message, *, over: bool) -> None:
        if over:
            message.ack_log_error(theirs, self.connection_errors)
        else:
            message.reject_log_error(theirs, self.connection_errors, requeue=True)

    def rest(self) -> None:
        if self.task_consumer is not None:
            self.task_consumer.cancel()


def named(message: Message) -> UUID:
    """The job that a message names. Raises whatever is wrong with it."""
    (job_id,), _, _ = message.payload
    return UUID(job_id)


# -- what goes ---------------------------------------------------------------------------------------------------------


class Publisher:
    """A connection for whoever sends, made when there is something to send and anew after each failure."""

    def __init__(self) -> None:
        self.app = application()
        self.connection: Connection | None = None
        self.producer: Any = None

    def send(self, ids: Sequence[UUID]) -> None:
        """Returns when the broker has them. Raises when it is away."""
        try:
            if self.connection is None:
                self.connection = self.app.connection_for_write(heartbeat=0)
                # At once or not at all: what needs a connection later would try for long.
                self.connection.connect()
                self.producer = self.app.amqp.Producer(self.connection)
            # One round trip for all of them, where the broker has one for that: Redis does.
            with self.producer.batch():
                for one in map(str, ids):
                    self.app.send_task(
                        TASK, (one,), task_id=one, producer=self.producer, confirm_timeout=ANSWER_SECONDS
                    )
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            with suppress(Exception):
                connection.collect(socket_timeout=1)
