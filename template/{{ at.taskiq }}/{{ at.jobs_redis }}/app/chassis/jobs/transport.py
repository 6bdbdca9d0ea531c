"""taskiq on Redis: a list, out of which each id is taken once."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taskiq import AsyncBroker


def made(url: str, queue: str) -> "AsyncBroker":
    from taskiq_redis import ListQueueBroker  # noqa: PLC0415 - a process that serves requests needs none of it

    # The package waits for messages without a limit, and a limit of the connection's would end that: `check` has one.
    return ListQueueBroker(url, queue_name=queue, socket_connect_timeout=5, socket_timeout=None, socket_keepalive=True)


async def check(broker: "AsyncBroker") -> None:
    """Raises when it is away."""
    from redis.asyncio import Redis  # noqa: PLC0415 - as above
    from taskiq_redis import ListQueueBroker  # noqa: PLC0415 - as above

    assert isinstance(broker, ListQueueBroker)  # noqa: S101 - it was made here
    async with Redis(connection_pool=broker.connection_pool) as redis:
        await redis.ping()
