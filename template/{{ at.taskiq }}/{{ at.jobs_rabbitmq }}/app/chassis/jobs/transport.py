"""taskiq on RabbitMQ: an exchange and a queue of the same name."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taskiq import AsyncBroker


def made(url: str, queue: str) -> "AsyncBroker":
    from taskiq_aio_pika import (  # noqa: PLC0415 - a process that serves requests needs none of it
        AioPikaBroker,
        Exchange,
        Queue,
        QueueType,
    )

    return AioPikaBroker(
        url,
        # The package reads ahead as far as it may, and what it has read no other worker gets.
        qos=1,
        exchange=Exchange(name=queue),
        task_queues=[Queue(name=queue, type=QueueType.CLASSIC)],
        # It wants one. Nothing comes there: no message is refused.
        dead_letter_queue=Queue(name=f"{queue}-dead", type=QueueType.CLASSIC),
        timeout=5,
    )


async def check(broker: "AsyncBroker") -> None:
    """Raises when it is away, or its queue is: while it waits to be connected again the package says nothing."""
    from taskiq_aio_pika import AioPikaBroker  # noqa: PLC0415 - as above

    assert isinstance(broker, AioPikaBroker)  # noqa: S101 - it was made here
    for channel in (broker.write_channel, broker.read_channel):
        if channel is not None:
            await channel.get_queue(broker._task_queues[0].name, ensure=True)  # noqa: SLF001 - as `made` has said it
