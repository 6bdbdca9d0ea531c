"""Events over RabbitMQ: one exchange for all services, a durable queue for each group and type."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field, ValidationInfo, field_validator

from app.chassis.events import registry
from app.chassis.events.broker import CONTENT_TYPE, Incoming, Outgoing, Receive
from app.chassis.settings import BaseSettings, in_production, load, split_url

if TYPE_CHECKING:
    from faststream.rabbit import RabbitBroker, RabbitExchange, RabbitQueue
    from faststream.rabbit.message import RabbitMessage

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 5.0
# Delivered and not acknowledged, by connection: the others stay in the queue.
MOST_PENDING: Final = 200


class Settings(BaseSettings):
    rabbitmq_url: str = Field(
        "",
        validate_default=True,
        repr=False,
        description="Where RabbitMQ is; required in production.",
        examples=["amqp://user:password@localhost:5672/"],
    )
    rabbitmq_exchange: str = Field(
        "events",
        pattern=r"^[A-Za-z0-9_-]{1,100}$",
        description="The exchange of all events.",
        examples=["events"],
    )

    @field_validator("rabbitmq_url")
    @classmethod
    def check_url(cls, value: str, info: ValidationInfo) -> str:
        if not value and in_production(info):
            raise ValueError("is missing: without a broker no event would leave this service")
        if value and split_url(value).scheme not in {"amqp", "amqps"}:
            raise ValueError("is for no RabbitMQ: it begins with amqp:// or amqps://")
        return value


def given() -> bool:
    """Whether there is a broker."""
    return bool(load(Settings).rabbitmq_url)


@asynccontextmanager
async def connect() -> AsyncIterator["Connection"]:
    """Raises whatever is in the way."""
    # FastStream takes a while to import: the loops do, not the start.
    from faststream.rabbit import Channel, RabbitBroker  # noqa: PLC0415

    broker = RabbitBroker(
        load(Settings).rabbitmq_url,
        timeout=CONNECT_SECONDS,
        default_channel=Channel(prefetch_count=MOST_PENDING),
        apply_types=False,
        logger=None,
    )
    async with asyncio.timeout(CONNECT_SECONDS):
        robust = await broker.connect()
    try:
        connection = Connection(broker)
        await connection.declare(registry.handled())
        yield connection
    finally:
        # Of a server that is gone nobody can take leave.
        with suppress(Exception):
            async with asyncio.timeout(CONNECT_SECONDS):
                await broker.stop()
        # Else the client of one that is gone would look for it for ever.
        with suppress(Exception):
            await robust.close()


class Connection:
    def __init__(self, broker: "RabbitBroker") -> None:
        from app.chassis.events.variables import Settings as Events  # noqa: PLC0415 - it imports this module

        self.broker = broker
        self.group = load(Events).events_group
        self.types: list[str] = []

    def exchange(self) -> "RabbitExchange":
        from faststream.rabbit import ExchangeType, RabbitExchange  # noqa: PLC0415

        return RabbitExchange(load(Settings).rabbitmq_exchange, type=ExchangeType.TOPIC, durable=True)

    def queue(self, kind: str) -> "RabbitQueue":
        from faststream.rabbit import RabbitQueue  # noqa: PLC0415

        return RabbitQueue(f"{self.group}.{kind}", durable=True, routing_key=kind)

    async def declare(self, types: Iterable[str]) -> None:
        """The queues of our own group, the relay too: what comes before a queue is there goes to nobody."""
        exchange = await self.broker.declare_exchange(self.exchange())
        for kind in types:
            queue = await self.broker.declare_queue(self.queue(kind))
            await queue.bind(exchange, routing_key=kind, timeout=ANSWER_SECONDS)

    async def publish(self, event: Outgoing) -> None:
        await self.broker.publish(
            event.body,
            exchange=self.exchange(),
            routing_key=event.type,
            # A type that no group has a queue for is nobody's loss.
            mandatory=False,
            persist=True,
            timeout=ANSWER_SECONDS,
            message_id=event.id,
            content_type=CONTENT_TYPE,
        )

    async def subscribe(self, types: Iterable[str], receive: Receive) -> None:
        self.types = list(types)
        for kind in self.types:
            self.listen(kind, receive)
        async with asyncio.timeout(CONNECT_SECONDS):
            await self.broker.start()

    def listen(self, kind: str, receive: Receive) -> None:
        from faststream import AckPolicy  # noqa: PLC0415

        subscriber: Any = self.broker.subscriber(
            self.queue(kind), self.exchange(), ack_policy=AckPolicy.MANUAL, decoder=whole, no_reply=True
        )

        async def arrived(message: "RabbitMessage") -> None:
            await receive(Incoming(message.body, bool(message.raw_message.redelivered), message.ack))

        subscriber(arrived)

    async def unsubscribe(self) -> None:
        for subscriber in self.broker.subscribers:
            await subscriber.stop()

    async def lag(self) -> dict[str, int]:
        """What waits in the queues; what has been delivered is not counted by RabbitMQ."""
        behind = {}
        async with asyncio.timeout(ANSWER_SECONDS):
            # A connection that is being made anew would have us wait, and could be one that never comes.
            connection = await self.broker.connect()
            async with connection.channel() as channel:
                for kind in self.types:
                    queue = await channel.declare_queue(self.queue(kind).name, passive=True)
                    behind[kind] = queue.declaration_result.message_count or 0
        return behind


async def whole(message: "RabbitMessage") -> "RabbitMessage":
    """Instead of FastStream's decoding: what cannot be read has to reach the dead letters as it is."""
    return message
