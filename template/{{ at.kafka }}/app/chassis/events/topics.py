"""Which topics there are, how those come to be that are not, and where they end."""

import asyncio
from typing import Any, Final

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec  # type: ignore[attr-defined]

from app.chassis.events.transport import CONNECT_SECONDS, Settings

ANSWER_SECONDS: Final = 5.0
# It says nothing of its types.
SPEC: Final[Any] = OffsetSpec


class Topics:
    """Which topics there are, and how those come to be that are not."""

    def __init__(self, settings: Settings) -> None:
        self.client = AdminClient(settings.client())
        self.partitions = settings.kafka_partitions
        self.known: set[str] = set()
        self.one_at_a_time = asyncio.Lock()

    async def look(self) -> None:
        found = await asyncio.to_thread(self.client.list_topics, timeout=CONNECT_SECONDS)
        self.known |= found.topics.keys()

    async def ensure(self, topic: str) -> None:
        """Raises for one that is missing and that we may not make."""
        if topic in self.known:
            return
        async with self.one_at_a_time:
            if topic not in self.known:
                await asyncio.to_thread(self.make, topic)
                self.known.add(topic)

    def make(self, topic: str) -> None:
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
        found = self.client.list_topics(topic, timeout=ANSWER_SECONDS).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        return list(found.partitions)

    def lag(self, topic: str, group: str) -> int:
        """What the whole group has not handled, from the oldest that there is where it has not begun.

        Through a connection of its own: a consumer's waits for the others while the group shares out its partitions.
        """
        asked = [TopicPartition(topic, number) for number in self.numbers(topic)]
        answers = self.client.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group, asked)], request_timeout=ANSWER_SECONDS
        )
        done = {one.partition: one.offset for one in answers[group].result().topic_partitions}
        last = self.ends(asked, SPEC.latest())
        first = self.ends([one for one in asked if done[one.partition] < 0], SPEC.earliest())
        return sum(max(0, last[number] - (done | first)[number]) for number in last)

    def ends(self, partitions: list[TopicPartition], spec: Any) -> dict[int, int]:
        """The offset behind the last record of each, or of the first."""
        if not partitions:
            return {}
        asked = self.client.list_offsets(dict.fromkeys(partitions, spec), request_timeout=ANSWER_SECONDS)
        return {one.partition: future.result().offset for one, future in asked.items()}


def reason(raised: KafkaException) -> KafkaError:
    error: KafkaError = raised.args[0]
    return error
