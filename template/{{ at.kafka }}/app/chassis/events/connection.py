"""What the relay and the consumer have of Kafka, through librdkafka.

Not through FastStream: what that acknowledges is how far the consumer has read, and so what is not handled yet.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from threading import Thread
from typing import Final

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException, Message

from app.chassis.events.broker import CONTENT_TYPE, Outgoing, Receive, Refused
from app.chassis.events.reader import Reader
from app.chassis.events.topics import Topics, reason
from app.chassis.events.variables import Settings

# Shorter than the relay waits: what it has given up must not be sent any more.
PUBLISH_SECONDS: Final = 8.0
LOOK_SECONDS: Final = 0.25
# What an envelope has around it in a record: its topic, key and headers.
AROUND: Final = 10_000
LEAST_LIMIT: Final = 1_000_000


class Connection:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.producer = Producer(settings)
        self.topics = Topics(settings)
        self.reader: Reader | None = None

    def topic(self, kind: str) -> str:
        return f"{self.settings.kafka_topic_prefix}{kind}"

    async def publish(self, event: Outgoing) -> None:
        topic = self.topic(event.type)
        await self.topics.ensure(topic)
        await self.producer.send(topic, event)

    async def subscribe(self, types: Iterable[str], receive: Receive) -> None:
        topics = {kind: self.topic(kind) for kind in types}
        for topic in topics.values():
            await self.topics.ensure(topic)
        if topics:
            self.reader = Reader(self.settings, topics, receive)

    async def unsubscribe(self) -> None:
        if self.reader is not None:
            await self.reader.stop()

    async def lag(self) -> dict[str, int]:
        if self.reader is None:
            await self.topics.look()
            return {}
        return await self.reader.lag(self.topics)

    async def close(self) -> None:
        if self.reader is not None:
            await self.reader.stop()
            await self.reader.close()
        await self.producer.close()


class Producer:
    """Sends records, and knows of each when all replicas that are in sync have it."""

    def __init__(self, settings: Settings) -> None:
        more = {
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 0,
            "message.timeout.ms": int(PUBLISH_SECONDS * 1000),
            # The broker says what is too large for it; librdkafka would, before it, at a megabyte.
            "message.max.bytes": max(LEAST_LIMIT, settings.events_limit + AROUND),
            # As Kafka's own clients do it: the same key is in the same partition, whoever publishes it.
            "partitioner": "murmur2_random",
        }
        self.client = confluent_kafka.Producer(settings.client() | more)
        self.closed = False
        self.thread = Thread(target=self.serve, daemon=True, name="kafka-confirmations")
        self.thread.start()

    def serve(self) -> None:
        while not self.closed:
            self.client.poll(LOOK_SECONDS)

    async def send(self, topic: str, event: Outgoing) -> None:
        loop = asyncio.get_running_loop()
        confirmed: asyncio.Future[KafkaError | None] = loop.create_future()

        def told(error: KafkaError | None, _message: Message) -> None:
            with suppress(RuntimeError):
                # Of a loop that has ended nobody waits.
                loop.call_soon_threadsafe(settle, confirmed, error)

        headers: list[tuple[str, str | bytes | None]] = [("content-type", CONTENT_TYPE.encode())]
        try:
            self.client.produce(topic, event.body, event.key.encode(), headers=headers, on_delivery=told)
            error = await confirmed
        except KafkaException as raised:
            error = reason(raised)
        if error is not None:
            raise refusal(error, event) or KafkaException(error)

    async def close(self) -> None:
        self.closed = True
        await asyncio.to_thread(self.thread.join)
        # What nobody waits for any more is in the outbox, and sent from there.
        self.client.purge()
        self.client.poll(0)


def settle(future: asyncio.Future[KafkaError | None], error: KafkaError | None) -> None:
    if not future.done():
        future.set_result(error)


def refusal(error: KafkaError, event: Outgoing) -> Refused | None:
    """What the broker will never take."""
    if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
        return Refused(f"{len(event.body)} bytes are more than this Kafka takes: raise the topic's max.message.bytes")
    if error.code() == KafkaError.INVALID_RECORD:
        return Refused(f"Kafka's own check of this topic refuses it: {error.str()}")
    return None
