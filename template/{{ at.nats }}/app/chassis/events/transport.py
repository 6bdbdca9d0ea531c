"""Events over NATS JetStream: one stream for all services, a durable consumer for each group and type."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field, ValidationInfo, field_validator

from app.chassis.events.broker import CONTENT_TYPE, Incoming, Outgoing, Receive, Refused
from app.chassis.settings import BaseSettings, in_production, load, split_url

if TYPE_CHECKING:
    from faststream.nats import NatsBroker
    from faststream.nats.message import NatsMessage
    from nats.js import JetStreamContext

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 5.0
# Delivered and not acknowledged, over all processes of a group: the others stay in the stream.
MOST_PENDING: Final = 1000
# How often in the time of an acknowledgement the broker hears that an event is still at work.
KEPT_TIMES: Final = 3
# What a stream is made with when it is not there; an operator may make it otherwise, and change it.
KEPT_SECONDS: Final = 7 * 86_400.0


class Settings(BaseSettings):
    nats_url: str = Field(
        "",
        validate_default=True,
        repr=False,
        description="Where NATS with JetStream is; required in production.",
        examples=["nats://localhost:4222"],
    )
    nats_stream: str = Field(
        "events",
        pattern=r"^[A-Za-z0-9_-]{1,100}$",
        description="The stream of all events, and the first word of their subjects.",
        examples=["events"],
    )
    nats_ack_wait: float = Field(
        60.0,
        ge=1,
        le=43_200,
        description="Seconds after which an event that nobody has acknowledged is delivered again.",
        examples=["60"],
    )

    @field_validator("nats_url")
    @classmethod
    def check_url(cls, value: str, info: ValidationInfo) -> str:
        if not value and in_production(info):
            raise ValueError("is missing: without a broker no event would leave this service")
        for one in value.split(",") if value else ():
            if split_url(one.strip()).scheme not in {"nats", "tls"}:
                raise ValueError("is for no NATS: it begins with nats:// or tls://")
        return value


def given() -> bool:
    """Whether there is a broker."""
    return bool(load(Settings).nats_url)


@asynccontextmanager
async def connect() -> AsyncIterator["Connection"]:
    """Raises whatever is in the way."""
    # FastStream takes a while to import: the loops do, not the start.
    from faststream.nats import NatsBroker  # noqa: PLC0415

    settings = load(Settings)
    broker = NatsBroker(
        [one.strip() for one in settings.nats_url.split(",")],
        connect_timeout=int(CONNECT_SECONDS),
        max_reconnect_attempts=-1,
        apply_types=False,
        logger=None,
    )
    async with asyncio.timeout(CONNECT_SECONDS):
        client = await broker.connect()
    try:
        context = client.jetstream(timeout=ANSWER_SECONDS)
        await ensure_stream(context, settings.nats_stream)
        connection = Connection(broker, context, settings.nats_stream)
        async with connection.kept(settings.nats_ack_wait):
            yield connection
    finally:
        # Of a server that is gone nobody can take leave.
        with suppress(Exception):
            async with asyncio.timeout(CONNECT_SECONDS):
                await broker.stop()
        # Else the client of one that is gone would look for it for ever.
        await client.close()


async def ensure_stream(context: "JetStreamContext", name: str) -> None:
    from nats.js.api import StreamConfig  # noqa: PLC0415
    from nats.js.errors import NotFoundError  # noqa: PLC0415

    try:
        await context.stream_info(name)
    except NotFoundError:
        await context.add_stream(StreamConfig(name=name, subjects=[f"{name}.>"], max_age=KEPT_SECONDS))


class Connection:
    def __init__(self, broker: "NatsBroker", context: "JetStreamContext", stream: str) -> None:
        self.broker, self.context, self.stream = broker, context, stream
        self.durables: dict[str, str] = {}
        # What has arrived and is not acknowledged, by its number in the stream; what of it waits for `receive`.
        self.held: dict[int, NatsMessage] = {}
        self.waiting: asyncio.Queue[tuple[int, NatsMessage]] = asyncio.Queue()
        self.passing: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def kept(self, ack_wait: float) -> AsyncIterator[None]:
        """Meanwhile what has arrived is not delivered to others, too.

        Else a backlog that takes longer than `ack_wait` would come again and again, and nothing would be done but that.
        """

        async def keep() -> None:
            while True:
                await asyncio.sleep(ack_wait / KEPT_TIMES)
                for message in list(self.held.values()):
                    # Away, it is delivered again.
                    with suppress(Exception):
                        await message.raw_message.in_progress()

        keeping = asyncio.create_task(keep())
        try:
            yield
        finally:
            keeping.cancel()

    async def publish(self, event: Outgoing) -> None:
        from nats.errors import MaxPayloadError  # noqa: PLC0415

        # JetStream drops what it has had under this id a moment ago.
        headers = {"content-type": CONTENT_TYPE, "Nats-Msg-Id": event.id}
        try:
            await self.broker.publish(
                event.body,
                f"{self.stream}.{event.type}",
                headers=headers,
                stream=self.stream,
                timeout=ANSWER_SECONDS,
            )
        except MaxPayloadError as error:
            raise Refused(f"{len(event.body)} bytes are more than this NATS takes: raise its max_payload") from error

    async def subscribe(self, types: Iterable[str], receive: Receive) -> None:
        from app.chassis.events.variables import Settings as Events  # noqa: PLC0415 - it imports this module

        group = load(Events).events_group
        self.passing = asyncio.create_task(self.pass_on(receive))
        for kind in types:
            # Neither a group nor a type has an equals sign: no two of them make the same name.
            self.durables[kind] = f"{group}={kind.replace('.', '-')}"
            self.listen(kind)
        async with asyncio.timeout(CONNECT_SECONDS):
            await self.broker.start()

    def listen(self, kind: str) -> None:
        from faststream import AckPolicy  # noqa: PLC0415
        from faststream.nats import JStream  # noqa: PLC0415
        from nats.js.api import ConsumerConfig  # noqa: PLC0415

        subscriber: Any = self.broker.subscriber(
            f"{self.stream}.{kind}",
            stream=JStream(self.stream, declare=False),
            # The durable consumer has the name of the processes that share it. Delivered, not fetched: what fetches in
            # FastStream 0.7 leaves the event loop no time once the connection is closed.
            queue=self.durables[kind],
            config=ConsumerConfig(ack_wait=load(Settings).nats_ack_wait, max_ack_pending=MOST_PENDING),
            ack_policy=AckPolicy.MANUAL,
            decoder=whole,
            no_reply=True,
        )

        async def arrived(message: "NatsMessage") -> None:
            number = message.raw_message.metadata.sequence.stream
            if number not in self.held:
                self.held[number] = message
                self.waiting.put_nowait((number, message))

        subscriber(arrived)

    async def pass_on(self, receive: Receive) -> None:
        while True:
            number, message = await self.waiting.get()
            redelivered = message.raw_message.metadata.num_delivered > 1
            ack, drop = partial(self.acknowledge, number, message), partial(self.drop, number)
            await receive(Incoming(message.body, redelivered, ack, drop))

    async def acknowledge(self, number: int, message: "NatsMessage") -> None:
        try:
            await message.ack()
        finally:
            # If that got lost it comes again.
            self.drop(number)

    def drop(self, number: int) -> None:
        self.held.pop(number, None)

    async def unsubscribe(self) -> None:
        for subscriber in self.broker.subscribers:
            await subscriber.stop()
        if self.passing is not None:
            self.passing.cancel()
        while not self.waiting.empty():
            number, message = self.waiting.get_nowait()
            self.drop(number)
            # At once to somebody who goes on.
            with suppress(Exception):
                await message.nack()

    async def lag(self) -> dict[str, int]:
        if self.passing is not None and self.passing.done():
            # Whatever has ended it.
            self.passing.result()
        behind = {}
        for kind, durable in self.durables.items():
            info = await self.context.consumer_info(self.stream, durable)
            behind[kind] = (info.num_pending or 0) + (info.num_ack_pending or 0)
        if not self.durables:
            await self.context.stream_info(self.stream)
        return behind


async def whole(message: "NatsMessage") -> "NatsMessage":
    """Instead of FastStream's decoding: what cannot be read has to reach the dead letters as it is."""
    return message
