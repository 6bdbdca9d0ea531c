"""Kafka: what others read there, and that no offset is committed before what it stands for is done."""

import asyncio
from collections.abc import Iterator
from random import Random

import pytest
from cloudevents.core.formats.json import JSONFormat
from confluent_kafka import Consumer, Message
from confluent_kafka.admin import AdminClient

from app.chassis import settings
from app.chassis.events import envelope, transport
from app.chassis.events.broker import Incoming, Outgoing, Refused
from app.chassis.events.offsets import Partition
from app.chassis.events.variables import Settings
from tests.chassis import event_broker
from tests.chassis.fixtures_events import needs_broker
from tests.chassis.running import PATIENCE

BODY = envelope.numbered(
    envelope.compose(envelope.Envelope("1", "/a", "probe.noted", 2, "ä", "2026-01-31T12:00:00Z", {"note": "ö"})), 12
)
PRODUCTION = {"ENVIRONMENT": "production", "KAFKA_BOOTSTRAP_SERVERS": "a.example.com:9093,b.example.com:9093"}
LOGIN = {"KAFKA_SASL_USERNAME": "orders", "KAFKA_SASL_PASSWORD": "hunter2"}


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Topics and a group of this test's own."""
    env = event_broker.variables() | event_broker.IMPATIENT
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    settings.forget()
    yield env
    settings.forget()
    event_broker.forget(env)


def records(env: dict[str, str], count: int) -> list[Message]:
    """What somebody else reads."""
    said = {"bootstrap.servers": env[event_broker.VARIABLE], "group.id": "other", "auto.offset.reset": "earliest"}
    client = Consumer(said)
    try:
        client.subscribe([f"{env['KAFKA_TOPIC_PREFIX']}probe.noted"])
        return client.consume(count, timeout=PATIENCE)
    finally:
        client.close()


async def publish(*events: Outgoing) -> None:
    async with transport.connect() as connection:
        for event in events:
            await connection.publish(event)


# -- what is on the broker ---------------------------------------------------------------------------------------------


@needs_broker
def test_a_record_is_a_structured_cloudevent_under_its_key(kafka: dict[str, str]) -> None:
    asyncio.run(publish(*(Outgoing(str(number), "probe.noted", "ä", BODY) for number in range(3))))
    found = records(kafka, 3)
    assert [one.value() for one in found] == [BODY] * 3
    assert {one.key() for one in found} == {"ä".encode()}
    assert {one.partition() for one in found} == {found[0].partition()}
    assert found[0].headers() == [("content-type", b"application/cloudevents+json")]
    read = JSONFormat().read(None, found[0].value() or b"")
    assert (read.get_type(), read.get_subject(), read.get_data()) == ("probe.noted", "ä", {"note": "ö"})


@needs_broker
@pytest.mark.usefixtures("kafka")
def test_what_is_too_large_is_refused_and_not_tried_again() -> None:
    with pytest.raises(Refused, match="2000000 bytes are more than this Kafka takes"):
        asyncio.run(publish(Outgoing("1", "probe.noted", "k", b"x" * 2_000_000)))


class Group:
    """What one consumer after the other gets, and what it does with it."""

    def __init__(self) -> None:
        self.got: list[tuple[bytes, bool]] = []
        self.arrived = asyncio.Event()
        self.kept: list[Incoming] = []

    async def receive(self, incoming: Incoming) -> None:
        self.got.append((incoming.body, incoming.redelivered))
        self.kept.append(incoming)
        self.arrived.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while len(self.got) < count:
                self.arrived.clear()
                await self.arrived.wait()


@needs_broker
@pytest.mark.usefixtures("kafka")
def test_what_is_not_acknowledged_comes_again_and_is_said_to() -> None:
    async def acknowledging(*wanted: bytes, count: int) -> tuple[list[tuple[bytes, bool]], dict[str, int]]:
        group = Group()
        async with transport.connect() as connection:
            await connection.subscribe(["probe.noted"], group.receive)
            await group.until(count)
            for one in reversed(group.kept):
                if one.body in wanted:
                    await one.ack()
            await connection.unsubscribe()
            return group.got, await connection.lag()

    async def lived() -> None:
        first = [b"1", b"2", b"3"]
        await publish(*(Outgoing("", "probe.noted", "k", body) for body in first))
        got, lag = await acknowledging(b"1", b"3", count=3)
        assert got == [(body, False) for body in first]
        assert lag["probe.noted"] in {2, 3}
        await publish(Outgoing("", "probe.noted", "k", b"4"))
        # The second holds up the offset; the third comes again with it, and the fourth is new.
        got, _ = await acknowledging(b"2", b"3", b"4", count=3)
        assert got == [(b"2", True), (b"3", True), (b"4", False)]
        await publish(Outgoing("", "probe.noted", "k", b"5"))
        got, _ = await acknowledging(b"5", count=1)
        assert got == [(b"5", False)]

    asyncio.run(lived())


@needs_broker
@pytest.mark.skipif(not event_broker.REAL, reason="the Kafka that is played makes no topics when it is told to")
def test_a_missing_topic_is_made_with_its_partitions(kafka: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_PARTITIONS", "3")
    settings.forget()
    asyncio.run(publish(Outgoing("1", "orders.placed", "k", BODY)))
    topic = f"{kafka['KAFKA_TOPIC_PREFIX']}orders.placed"
    found = AdminClient({"bootstrap.servers": kafka[event_broker.VARIABLE]}).list_topics(topic, timeout=5).topics
    assert len(found[topic].partitions) == 3


# -- offsets -----------------------------------------------------------------------------------------------------------


def test_an_offset_waits_for_all_before_it() -> None:
    partition = Partition.taken_over(-1001, None)
    assert partition.news() is None
    for number in (7, 8, 12):
        partition.announce(number)
    # Before any of them is handed out.
    assert partition.news() == (7, 13)
    assert not any(partition.hand_out(number) for number in (7, 8, 12))
    partition.acknowledge(12)
    partition.acknowledge(8)
    assert partition.news() == (7, 13)
    partition.acknowledge(7)
    assert partition.news() == (13, 13)
    assert not partition.open


def test_in_whatever_order_they_end_no_offset_passes_one_that_has_not() -> None:
    draw = Random(7)
    for _ in range(200):
        partition, waiting = Partition.taken_over(0, "0"), list(range(20))
        for number in waiting:
            partition.announce(number)
            partition.hand_out(number)
        while waiting:
            partition.acknowledge(waiting.pop(draw.randrange(len(waiting))))
            assert partition.done == min(waiting, default=20)


@pytest.mark.parametrize(("said", "again"), [("9", [7, 8]), ("", []), (None, []), ("a tool's", []), ("2", [])])
def test_what_the_one_before_has_handed_out_counts_as_delivered(said: str | None, again: list[int]) -> None:
    partition = Partition.taken_over(7, said)
    assert [number for number in range(7, 11) if partition.hand_out(number)] == again


# -- settings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({}, []),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", **LOGIN}, []),
        ({"KAFKA_BOOTSTRAP_SERVERS": "a.example.com"}, ["KAFKA_BOOTSTRAP_SERVERS: is for no Kafka"]),
        ({"KAFKA_BOOTSTRAP_SERVERS": "a:9092,kafka://b:9092"}, ["KAFKA_BOOTSTRAP_SERVERS: is for no Kafka"]),
        ({"KAFKA_TOPIC_PREFIX": "a b"}, ["KAFKA_TOPIC_PREFIX: "]),
        ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, ["KAFKA_SECURITY_PROTOCOL: "]),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"},
            ["KAFKA_SASL_USERNAME: is missing", "KAFKA_SASL_PASSWORD: is missing"],
        ),
        (LOGIN, ["KAFKA_SASL_USERNAME: would not be used", "KAFKA_SASL_PASSWORD: would not be used"]),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CA": "/nowhere.pem"}, ["KAFKA_SSL_CA: is no file"]),
        ({"KAFKA_SSL_CA": __file__}, ["KAFKA_SSL_CA: would not be used"]),
    ],
)
def test_a_bad_setting_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, env: dict[str, str], said: list[str]
) -> None:
    for name, value in (PRODUCTION | env).items():
        monkeypatch.setenv(name, value)
    request.addfinalizer(settings.forget)
    lines = settings.problems([Settings])
    assert len(lines) == len(said)
    assert all(line.startswith(start) for line, start in zip(lines, said, strict=True))
    assert "hunter2" not in "".join(lines)
