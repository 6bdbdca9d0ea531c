"""Celery's worker, which blocks and so has a thread; imported by the process alone that takes jobs."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final
from uuid import UUID

import structlog
from celery.exceptions import WorkerShutdown
from celery.worker import WorkController
from celery.worker.consumer import Consumer
from kombu.asynchronous import set_event_loop
from kombu.message import Message

from app.chassis.jobs.celery_app import application

log = structlog.get_logger()
theirs = logging.getLogger("celery")

UNREADABLE: Final = (ValueError, TypeError, LookupError)
Over = Callable[[], object]
"""Called when the broker may forget it."""
Take = Callable[[UUID, Over], object]


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
        if self.connected and isinstance(end, UNREADABLE):
            # Redis's client breaks off at what is no message: it is gone by then, and the next one may be one.
            log.warning("jobs.malformed", reason=repr(end))
            end = None
        self.connected = False
        # The cold way: whatever it waits for has a limit.
        with suppress(Exception):
            self.celery.terminate()
        # Whoever has waited for long enough may be gone.
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
            message.reject_log_error(theirs, self.connection_errors, requeue=True)
            return
        acknowledge = partial(message.ack_log_error, theirs, self.connection_errors)
        try:
            job_id = named(message)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no job
            log.warning("jobs.malformed", reason=repr(error))
            acknowledge()
        else:
            self.take(job_id, lambda: self.call_soon(acknowledge))

    def rest(self) -> None:
        if self.task_consumer is not None:
            self.task_consumer.cancel()


def named(message: Message) -> UUID:
    """The job that a message names. Raises whatever is wrong with it."""
    (job_id,), _, _ = message.payload
    return UUID(job_id)
