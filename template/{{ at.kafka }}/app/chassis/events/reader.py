"""A member of the group: hands out what its partitions have, and commits up to where all is acknowledged."""

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Final, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from app.chassis.events.broker import Incoming, Receive
from app.chassis.events.offsets import Partition
from app.chassis.events.topics import ANSWER_SECONDS, Topics, reason
from app.chassis.events.transport import CONNECT_SECONDS
from app.chassis.events.variables import Settings

BLOCK_SECONDS: Final = 0.25
REBALANCE_SECONDS: Final = 30.0
# Every so often Kafka wants to be asked for more, also by who has no room for it.
SIGN_SECONDS: Final = 1.0
LONGEST_SILENCE_MS: Final = 300_000
READ: Final = 100
# Acknowledged behind one that is not, in a partition: as many come again when the process ends.
AHEAD: Final = 10_000

Key = tuple[str, int]
Given = list[tuple[Partition, Message]]
Result = TypeVar("Result")


class Reader:
    """From when it is made until it is closed; its task is the reading."""

    def __init__(self, settings: Settings, topics: dict[str, str], receive: Receive) -> None:
        session = int(settings.kafka_session_timeout * 1000)
        more = {
            "group.id": settings.events_group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            # Who comes or goes takes no partitions from those who keep theirs.
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": session,
            "max.poll.interval.ms": max(LONGEST_SILENCE_MS, session),
            "heartbeat.interval.ms": session // 3,
            "queued.min.messages": READ,
            "queued.max.messages.kbytes": 16_384,
        }
        self.topics, self.receive, self.group = topics, receive, settings.events_group
        self.partitions: dict[Key, Partition] = {}
        self.kept: Given = []
        self.paused = False
        self.progress = asyncio.Event()
        # Its calls wait, and none of them may run while it is being closed.
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="kafka-consumer")
        self.client: Consumer = Consumer(settings.client() | more)
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

    def paired(self, messages: list[Message]) -> Given:
        """Each with its partition as it is now: it may go, and come back with what we have already."""
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
        started = time.monotonic()
        while True:
            batch = self.ours(batch)
            for partition, message in batch:
                partition.announce(offset(message))
            try:
                await self.called(self.commit)
            except KafkaException as error:
                if not rebalances(error) or time.monotonic() - started > REBALANCE_SECONDS:
                    raise
            else:
                return batch
            # Others are joining, or we have been thought dead: it goes on in there.
            batch += await self.called(self.fetch)

    def commit(self, keys: Iterable[Key] | None = None) -> None:
        """What is news of these partitions, else of all."""
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
                self.progress.clear()
                await self.progress.wait()
            # It has gone to another, who has this, too.
            if self.partitions.get(place(message)) is not partition:
                continue
            ack = partial(self.acknowledge, partition, offset(message))
            again = partition.hand_out(offset(message))
            await self.receive(Incoming(message.value() or b"", again, ack))

    async def acknowledge(self, partition: Partition, number: int) -> None:
        """It is committed with the next batch, or when none comes."""
        partition.acknowledge(number)
        self.progress.set()

    # -- what the group decides

    def assigned(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        for one in client.committed(partitions, timeout=ANSWER_SECONDS) if partitions else ():
            if one.error is not None:
                raise KafkaException(one.error)
            self.partitions[one.topic, one.partition] = Partition.taken_over(one.offset, one.metadata)

    def revoked(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        # Else it comes again at the next one, who finds it handled.
        with suppress(Exception):
            self.commit({(one.topic, one.partition) for one in partitions} & self.partitions.keys())
        self.forget(client, partitions)

    def forget(self, _client: Consumer, partitions: list[TopicPartition]) -> None:
        for one in partitions:
            self.partitions.pop((one.topic, one.partition), None)

    # -- the rest

    async def lag(self, topics: Topics) -> dict[str, int]:
        if self.task is not None and self.task.done():
            # Whatever has ended it.
            self.task.result()
        return {kind: await asyncio.to_thread(topics.lag, topic, self.group) for kind, topic in self.topics.items()}

    async def stop(self) -> None:
        """Ends the reading; what is acknowledged from now on is committed when we leave."""
        task, self.task = self.task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task

    async def close(self) -> None:
        # Of a broker that is gone nobody can take leave at once; as long as we have not, no other gets our partitions.
        left = asyncio.wrap_future(self.thread.submit(self.leave))
        self.thread.shutdown(wait=False)
        await asyncio.wait([left], timeout=CONNECT_SECONDS)

    def leave(self) -> None:
        with suppress(Exception):
            self.commit()
        with suppress(Exception):
            self.client.close()


def place(message: Message) -> Key:
    topic, partition = message.topic(), message.partition()
    assert topic is not None and partition is not None  # noqa: S101, PT018 - every record has both
    return topic, partition


def offset(message: Message) -> int:
    number = message.offset()
    assert number is not None  # noqa: S101 - as above
    return number


def rebalances(error: KafkaException) -> bool:
    passing = {KafkaError.REBALANCE_IN_PROGRESS, KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID}
    return reason(error).code() in passing
