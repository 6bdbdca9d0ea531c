"""taskiq on NATS JetStream: a stream that forgets what was taken, and one durable consumer for all workers."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from taskiq import AsyncBroker

FETCH_SECONDS: Final = 5.0


def made(url: str, queue: str) -> "AsyncBroker":
    from nats.js.api import (  # noqa: PLC0415 - a process that serves requests needs none of it
        ConsumerConfig,
        RetentionPolicy,
        StreamConfig,
    )
    from taskiq_nats import PullBasedJetStreamBroker  # noqa: PLC0415 - as above

    return PullBasedJetStreamBroker(
        [one.strip() for one in url.split(",")],
        subject=queue,
        stream_name=queue,
        durable=queue,
        # By default it would keep every message for ever.
        stream_config=StreamConfig(name=queue, subjects=[queue], retention=RetentionPolicy.WORK_QUEUE),
        consumer_config=ConsumerConfig(durable_name=queue),
        pull_consume_timeout=FETCH_SECONDS,
        connect_timeout=5,
        # While the client connects again the package says nothing.
        allow_reconnect=False,
    )


async def check(broker: "AsyncBroker") -> None:
    """Raises when it is away, or its stream is: the package takes that for a queue in which nothing waits."""
    from taskiq_nats import PullBasedJetStreamBroker  # noqa: PLC0415 - as above

    assert isinstance(broker, PullBasedJetStreamBroker)  # noqa: S101 - it was made here
    await broker.js.consumer_info(broker.stream_name, broker.durable)
