"""Celery's application: the settings of both ends, and the end that sends. Imported by those alone who need it."""

from collections.abc import Sequence
from contextlib import suppress
from random import choice
from ssl import CERT_REQUIRED
from typing import Any, Final
from uuid import UUID

from celery import Celery
from kombu import Queue

from app.chassis import about, job_broker, jobs
from app.chassis.settings import load, split_url

TASK: Final = "chassis.job"
ANSWER_SECONDS: Final = 4
"""For the broker: to be connected, and to say that it has a message."""
HEARTBEAT_SECONDS: Final = 10
AMQP: Final = {"confirm_publish": True, "write_timeout": ANSWER_SECONDS}
# What a killed worker had is delivered again by its row: nothing else has to remember it.
REDIS: Final = {
    "ack_emulation": False,
    "socket_timeout": ANSWER_SECONDS,
    "socket_connect_timeout": ANSWER_SECONDS,
    "health_check_interval": HEARTBEAT_SECONDS,
}


def application() -> Celery:
    """A new one each time: what one has registered another would find."""
    settings = load(job_broker.Settings)
    # Any of several: whoever finds it away begins anew, and soon has another one.
    url, queue = choice(settings.jobs_broker_url.split(",")).strip(), settings.jobs_broker_queue  # noqa: S311 - no secret
    # Not the current one: that is for an application that the service may have for itself.
    app = Celery(about.NAME, set_as_current=False, fixups=[])
    app.conf.update(
        # These two, as CELERY_BROKER_URL in the environment wins over broker_url.
        broker_read_url=url,
        broker_write_url=url,
        broker_use_ssl=verified(url),
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


def verified(url: str) -> dict[str, Any] | None:
    """How the other end says who it is: by themselves the packages ask nothing of rediss, and of amqps no name."""
    parts = split_url(url)
    if parts.scheme == "rediss":
        return {"ssl_cert_reqs": CERT_REQUIRED, "ssl_check_hostname": True}
    if parts.scheme == "amqps":
        return {"cert_reqs": CERT_REQUIRED, "server_hostname": parts.hostname}
    return None


class Publisher:
    """A connection for whoever sends; in one thread at a time."""

    def __init__(self) -> None:
        self.app = application()
        self.connection = self.app.connection_for_write(heartbeat=0)
        self.producer: Any = None

    def open(self) -> None:
        """Raises whatever is in the way."""
        self.connection.connect()
        self.producer = self.app.amqp.Producer(self.connection)

    def send(self, ids: Sequence[UUID]) -> None:
        """Returns when the broker has them. Raises when it is away."""
        # One round trip for all of them, where the broker has one for that: Redis does.
        with self.producer.batch():
            for one in map(str, ids):
                self.app.send_task(TASK, (one,), task_id=one, producer=self.producer, confirm_timeout=ANSWER_SECONDS)

    def close(self) -> None:
        with suppress(Exception):
            self.connection.collect(socket_timeout=1)
