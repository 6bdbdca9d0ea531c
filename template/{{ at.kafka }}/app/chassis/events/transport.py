"""Events over Kafka: one topic for each type, whose partitions the consumers of a group share.

With librdkafka itself: what FastStream acknowledges is how far the consumer has read, and with it what is not handled yet.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from app.chassis import about
from app.chassis.events.broker import CONTENT_TYPE, Incoming, Outgoing, Receive, Refused
from app.chassis.events.offsets import Partition
from app.chassis.settings import BaseSettings, in_production, load, split_url

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message, TopicPartition
    from confluent_kafka.error import KafkaError, KafkaException

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 5.0
# Shorter than the relay waits: what it has given up must not be sent any more.
PUBLISH_SECONDS: Final = 8.0
BLOCK_SECONDS: Final = 0.25
REBALANCE_SECONDS: Final = 30.0
# Every so often Kafka wants to be asked for more, also by who has no room for it.
SIGN_SECONDS: Final = 1.0
READ: Final = 100
# Acknowledged behind one that is not, in a partition: as many come again when the process ends.
AHEAD: Final = 10_000
# What an envelope has around it in a record: its topic, key and headers.
AROUND: Final = 10_000
LEAST_LIMIT: Final = 1_000_000

Key = tuple[str, int]
Given = list[tuple[Partition, "Message"]]
Result = TypeVar("Result")


class Settings(BaseSettings):
    kafka_bootstrap_servers: str = Field(
        "",
        validate_default=True,
        description="Brokers of Kafka, several by commas; required in production.",
        examples=["localhost:9092"],
    )
    kafka_topic_prefix: str = Field(
        "events.",
        pattern=r"^[A-Za-z0-9._-]{0,100}$",
        description="What the names of the topics begin with.",
        examples=["events."],
    )
    kafka_partitions: int = Field(
        6, ge=1, le=10_000, description="Partitions of a topic that is made because it is missing.", examples=["6"]
    )
    kafka_session_timeout: float = Field(
        45.0,
        ge=1,
        le=1800,
        description="Seconds after which the partitions of a consumer that shows no sign of life go to others.",
        examples=["45"],
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to speak to Kafka.", examples=["SASL_SSL"]
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="How to say who one is, with SASL.", examples=["SCRAM-SHA-512"]
    )
    kafka_sasl_username: str = Field(
        "", validate_default=True, description="Who the service is to Kafka, with SASL.", examples=[about.NAME]
    )
    kafka_sasl_password: SecretStr = Field(
        SecretStr(""), validate_default=True, description="The password to that.", examples=["a secret"]
    )
    kafka_ssl_ca: str = Field(
        "",
        description="File with the authority that signed the brokers' certificates; the system's own by default.",
        examples=["/etc/ssl/kafka.pem"],
    )

    @field_validator("kafka_bootstrap_servers")
    @classmethod
    def check_servers(cls, value: str, info: ValidationInfo) -> str:
        if not value and in_production(info):
            raise ValueError("is missing: without a broker no event would leave this service")
        for one in value.split(",") if value else ():
            parts = split_url(f"//{one.strip()}")
            if parts.hostname is None or parts.port is None or parts.netloc != one.strip() or "@" in one:
                raise ValueError("is for no Kafka: it is host:port, several by commas")
        return value

    @field_validator("kafka_sasl_username", "kafka_sasl_password")
    @classmethod
    def check_login(cls, value: str | SecretStr, info: ValidationInfo) -> str | SecretStr:
        given = value.get_secret_value() if isinstance(value, SecretStr) else value
        protocol = info.data.get("kafka_security_protocol", "")
        if not given and protocol.startswith("SASL"):
            raise ValueError(f"is missing: KAFKA_SECURITY_PROTOCOL is {protocol}")
        if given and protocol and not protocol.startswith("SASL"):
            raise ValueError(f"would not be used: KAFKA_SECURITY_PROTOCOL is {protocol} and not SASL_SSL")
        return value

    @field_validator("kafka_ssl_ca")
    @classmethod
    def check_authority(cls, value: str, info: ValidationInfo) -> str:
        protocol = info.data.get("kafka_security_protocol", "")
        if value and protocol and not protocol.endswith("SSL"):
            raise ValueError(f"would not be used: KAFKA_SECURITY_PROTOCOL is {protocol} and not SASL_SSL or SSL")
        if value and not Path(value).is_file():
            raise ValueError("is no file that can be read")
        return value

    def client(self) -> dict[str, Any]:
        """What each client of librdkafka is told."""
        said: dict[str, Any] = {
            "bootstrap.servers": self.kafka_bootstrap_servers,
            "client.id": about.NAME,
            "security.protocol": self.kafka_security_protocol,
            "socket.connection.setup.timeout.ms": int(CONNECT_SECONDS * 1000),
            "reconnect.backoff.max.ms": 1000,
        }
        if self.kafka_security_protocol.startswith("SASL"):
            said |= {
                "sasl.mechanism": self.kafka_sasl_mechanism,
                "sasl.username": self.kafka_sasl_username,
                "sasl.password": self.kafka_sasl_password.get_secret_value(),
            }
        return said | ({"ssl.ca.location": self.kafka_ssl_ca} if self.kafka_ssl_ca else {})


def given() -> bool:
    """Whether there is a broker."""
    return bool(load(Settings).kafka_bootstrap_servers)


@asynccontextmanager
async def connect() -> AsyncIterator["Connection"]:
    """Raises whatever is in the way."""
    connection = Connection()
    try:
        await connection.topics.look()
        yield connection
    finally:
        await connection.close()


class Connection:
    def __init__(self) -> None:
        settings = load(Settings)
        self.prefix = settings.kafka_topic_prefix
        self.producer = Producer(settings)
        self.topics = Topics(settings)
        self.reader: Reader | None = None

    def topic(self, kind: str) -> str:
        return f"{self.prefix}{kind}"

    async def publish(self, event: Outgoing) -> None:
        topic = self.topic(event.type)
        await self.topics.ensure(topic)
        await self.producer.send(topic, event)

    async def subscribe(self, types: Iterable[str], receive: Receive) -> None:
        topics = {kind: self.topic(kind) for kind in types}
        for topic in topics.values():
            await self.topics.ensure(topic)
        if topics:
            self.reader = Reader(topics, receive)

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


# -- publishing --------------------------------------------------------------------------------------------------------


class Producer:
    """Sends records, and knows of each when all replicas that are in sync have it."""

    def __init__(self, settings: Settings) -> None:
        from confluent_kafka import Producer as Client  # noqa: PLC0415 - the loops do, not the start

        from app.chassis.events.variables import Settings as Events  # noqa: PLC0415 - it imports this module

        more = {
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 0,
            "message.timeout.ms": int(PUBLISH_SECONDS * 1000),
            # The broker says what is too large for it; librdkafka would, before it, at a megabyte.
            "message.max.bytes": max(LEAST_LIMIT, load(Events).events_limit + AROUND),
            # As Kafka's own clients do it: the same key is in the same partition, whoever publishes it.
            "partitioner": "murmur2_random",
        }
        self.client = Client(settings.client() | more, logger=logging.getLogger(__name__))
        self.closed = False
        self.thread = Thread(target=self.serve, daemon=True, name="kafka-confirmations")
        self.thread.start()

    def serve(self) -> None:
        while not self.closed:
            self.client.poll(BLOCK_SECONDS)

    async def send(self, topic: str, event: Outgoing) -> None:
        from confluent_kafka.error import KafkaException  # noqa: PLC0415 - as above

        loop = asyncio.get_running_loop()
        confirmed: asyncio.Future[KafkaError | None] = loop.create_future()

        def told(error: "KafkaError | None", _message: "Message") -> None:
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


def settle(future: "asyncio.Future[KafkaError | None]", error: "KafkaError | None") -> None:
    if not future.done():
        future.set_result(error)


def refusal(error: "KafkaError", event: Outgoing) -> Refused | None:
    """What the broker will never take."""
    from confluent_kafka.error import KafkaError  # noqa: PLC0415 - as above

    if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
        return Refused(f"{len(event.body)} bytes are more than this Kafka takes: raise the topic's max.message.bytes")
    if error.code() == KafkaError.INVALID_RECORD:
        return Refused(f"Kafka's own check of this topic refuses it: {error.str()}")
    return None


def reason(raised: "KafkaException") -> "KafkaError":
    error: KafkaError = raised.args[0]
    return error


# -- topics ------------------------------------------------------------------------------------------------------------


class Topics:
    """Which topics there are, and how those come to be that are not."""

    def __init__(self, settings: Settings) -> None:
        from confluent_kafka.admin import AdminClient  # noqa: PLC0415 - as above

        self.client = AdminClient(settings.client() | {"log_level": 0})
        self.partitions = settings.kafka_partitions
        self.known: set[str] = set()

    async def look(self) -> None:
        found = await asyncio.to_thread(self.client.list_topics, timeout=CONNECT_SECONDS)
        self.known |= found.topics.keys()

    async def ensure(self, topic: str) -> None:
        """Raises for one that is missing and that we may not make."""
        if topic not in self.known:
            await asyncio.to_thread(self.make, topic)
            self.known.add(topic)

    def make(self, topic: str) -> None:
        from confluent_kafka.admin import NewTopic  # noqa: PLC0415 - as above
        from confluent_kafka.error import KafkaError, KafkaException  # noqa: PLC0415 - as above

        # As many replicas as the broker's own default says.
        made = self.client.create_topics([NewTopic(topic, self.partitions, -1)], request_timeout=ANSWER_SECONDS)
        try:
            made[topic].result()
        except KafkaException as error:
            code = reason(error).code()
            if code in {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED}:
                # An operator's business, who has made it, or lets the broker make what is asked for.
                self.numbers(topic)
            elif code != KafkaError.TOPIC_ALREADY_EXISTS:
                raise

    def numbers(self, topic: str) -> list[int]:
        """Those of its partitions."""
        from confluent_kafka.error import KafkaException  # noqa: PLC0415 - as above

        found = self.client.list_topics(topic, timeout=ANSWER_SECONDS).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        return list(found.partitions)

    def ends(self, partitions: list["TopicPartition"], *, latest: bool = True) -> dict[Key, int]:
        """The offset behind the last record of each, or of the first."""
        from confluent_kafka.admin import OffsetSpec  # noqa: PLC0415 - as above

        if not partitions:
            return {}
        spec = OffsetSpec.latest() if latest else OffsetSpec.earliest()
        asked = self.client.list_offsets(dict.fromkeys(partitions, spec), request_timeout=ANSWER_SECONDS)
        return {(one.topic, one.partition): future.result().offset for one, future in asked.items()}


# -- consuming ---------------------------------------------------------------------------------------------------------


class Reader:
    """A member of the group: hands out what its partitions have, and commits up to where all is acknowledged."""

    def __init__(self, topics: dict[str, str], receive: Receive) -> None:
        from confluent_kafka import Consumer  # noqa: PLC0415 - as above

        from app.chassis.events.variables import Settings as Events  # noqa: PLC0415 - as above

        settings = load(Events)
        session = int(settings.kafka_session_timeout * 1000)
        more = {
            "group.id": settings.events_group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            # Who comes or goes takes no partitions from those who keep theirs.
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": session,
            "heartbeat.interval.ms": session // 3,
            "queued.min.messages": READ,
            "queued.max.messages.kbytes": 16_384,
        }
        self.topics, self.receive = topics, receive
        self.partitions: dict[Key, Partition] = {}
        self.kept: Given = []
        self.paused = False
        # Its calls wait, and none of them may run while it is being closed.
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="kafka-consumer")
        self.client: Consumer = Consumer(settings.client() | more, logger=logging.getLogger(__name__))
        self.client.subscribe(
            list(topics.values()), on_assign=self.assigned, on_revoke=self.revoked, on_lost=self.forget
        )
        self.task: asyncio.Task[None] | None = asyncio.create_task(self.read())

    async def called(self, call: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self.thread, call)

    async def read(self) -> None:
        while True:
            batch, self.kept = self.kept or await self.called(self.fetch), []
            await self.hand_out(await self.announced(batch))

    def fetch(self) -> Given:
        """What has come, at most a batch; it is here that partitions come and go."""
        first = self.client.poll(BLOCK_SECONDS)
        if first is None:
            return []
        return [*self.paired([first]), *self.paired(self.client.consume(READ - 1, timeout=0))]

    def paired(self, messages: list["Message"]) -> Given:
        """Each with its partition as it is now: it may go, and come back with what we have already."""
        from confluent_kafka.error import KafkaException  # noqa: PLC0415 - as above

        found = []
        for message in messages:
            if (error := message.error()) is not None:
                raise KafkaException(error)
            if (partition := self.partitions.get(place(message))) is not None:
                found.append((partition, message))
        return found

    def ours(self, given: Given) -> Given:
        return [(one, message) for one, message in given if self.partitions.get(place(message)) is one]

    async def announced(self, batch: Given) -> Given:
        """Once Kafka knows that they will be handed out: who comes after us would else take them for new.

        Commits what was acknowledged with it.
        """
        from confluent_kafka.error import KafkaException  # noqa: PLC0415 - as above

        started = time.monotonic()
        while True:
            batch = self.ours(batch)
            for partition, message in batch:
                partition.announce(offset(message))
            try:
                await self.called(self.commit)
                return batch
            except KafkaException as error:
                if not rebalances(error) or time.monotonic() - started > REBALANCE_SECONDS:
                    raise
            # The others are joining, or we have been thought dead: it goes on in there.
            batch += await self.called(self.fetch)

    def commit(self, keys: Iterable[Key] | None = None) -> None:
        """What is news of these partitions, else of all."""
        from confluent_kafka import TopicPartition  # noqa: PLC0415 - as above
        from confluent_kafka.error import KafkaException  # noqa: PLC0415 - as above

        # A copy: what is acknowledged meanwhile is news for the next time.
        named = [(key, self.partitions[key]) for key in (self.partitions if keys is None else keys)]
        news = [(key, one, told) for key, one in named if (told := one.news()) is not None]
        if not news:
            return
        asked = [TopicPartition(*key, done, str(seen)) for key, _, (done, seen) in news]
        for answer in self.client.commit(offsets=asked, asynchronous=False) or ():
            if answer.error is not None:
                raise KafkaException(answer.error)
        for _, partition, told in news:
            partition.told = told

    async def hand_out(self, batch: Given) -> None:
        """To the consumer, as long as it takes until that has room."""
        delivery = asyncio.create_task(self.deliver(batch))
        try:
            while not (await asyncio.wait([delivery], timeout=SIGN_SECONDS))[0]:
                await self.called(self.hold)
                await self.announced([])
        finally:
            delivery.cancel()
        if self.paused:
            self.paused = False
            await self.called(lambda: self.client.resume(self.client.assignment()))
        await delivery

    def hold(self) -> None:
        """Nothing more for now, and a sign that we are there."""
        self.paused = True
        self.client.pause(self.client.assignment())
        # What comes all the same is of a partition that has just become ours.
        self.kept += self.paired(self.client.consume(READ, timeout=0))

    async def deliver(self, batch: Given) -> None:
        for partition, message in batch:
            while len(partition.open) >= AHEAD:
                await asyncio.sleep(BLOCK_SECONDS)
            # It has gone to another, who has this, too.
            if self.partitions.get(place(message)) is not partition:
                continue
            again = partition.hand_out(offset(message))
            await self.receive(Incoming(message.value() or b"", again, partial(acknowledge, partition, offset(message))))

    # -- what the group decides

    def assigned(self, client: "Consumer", partitions: list["TopicPartition"]) -> None:
        from confluent_kafka.error import KafkaException  # noqa: PLC0415 - as above

        for one in client.committed(partitions, timeout=ANSWER_SECONDS) if partitions else ():
            if one.error is not None:
                raise KafkaException(one.error)
            self.partitions[one.topic, one.partition] = Partition.taken_over(one.offset, one.metadata)

    def revoked(self, client: "Consumer", partitions: list["TopicPartition"]) -> None:
        # Else it comes again at the next one, who finds it handled.
        with suppress(Exception):
            self.commit({(one.topic, one.partition) for one in partitions} & self.partitions.keys())
        self.forget(client, partitions)

    def forget(self, _client: "Consumer", partitions: list["TopicPartition"]) -> None:
        for one in partitions:
            self.partitions.pop((one.topic, one.partition), None)

    # -- the rest

    async def lag(self, topics: Topics) -> dict[str, int]:
        from confluent_kafka import TopicPartition  # noqa: PLC0415 - as above

        if self.task is not None and self.task.done():
            # Whatever has ended it.
            self.task.result()
        behind = {}
        for kind, topic in self.topics.items():
            numbers = await asyncio.to_thread(topics.numbers, topic)
            asked = [TopicPartition(topic, number) for number in numbers]
            committed = await self.called(partial(self.client.committed, asked, timeout=ANSWER_SECONDS))
            unsaid = [TopicPartition(topic, one.partition) for one in committed if one.offset < 0]
            last = await asyncio.to_thread(topics.ends, asked)
            first = await asyncio.to_thread(topics.ends, unsaid, latest=False)
            done = {(one.topic, one.partition): one.offset for one in committed} | first
            behind[kind] = sum(max(0, last[key] - done[key]) for key in last)
        return behind

    async def stop(self) -> None:
        """Ends the reading; what is acknowledged from now on is committed when we leave."""
        task, self.task = self.task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task

    async def close(self) -> None:
        # Of a broker that is gone nobody can take leave.
        with suppress(Exception):
            async with asyncio.timeout(CONNECT_SECONDS):
                await self.called(self.leave)
        self.thread.shutdown(wait=False, cancel_futures=True)

    def leave(self) -> None:
        try:
            self.commit()
        finally:
            self.client.close()


async def acknowledge(partition: Partition, number: int) -> None:
    partition.acknowledge(number)


def place(message: "Message") -> Key:
    topic, partition = message.topic(), message.partition()
    assert topic is not None and partition is not None  # noqa: S101, PT018 - every record has both
    return topic, partition


def offset(message: "Message") -> int:
    number = message.offset()
    assert number is not None  # noqa: S101 - as above
    return number


def rebalances(error: "KafkaException") -> bool:
    from confluent_kafka.error import KafkaError  # noqa: PLC0415 - as above

    passing = {KafkaError.REBALANCE_IN_PROGRESS, KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID}
    return reason(error).code() in passing
