"""Topics of a test's own, and what reading and writing them takes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka import Message as KafkaMessage
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._group import MemberDescription
from confluent_kafka.cimpl import NewPartitions, NewTopic

from reservation_worker.contracts.records import Record
from reservation_worker.ports import Partition
from tests.reader import QUIET, TIMEOUT_SECONDS, Reader, end_offsets
from tests.waiting import wait_until

INPUT_NAMES = (
    "order-completed",
    "payment-approved",
    "order-invoiced",
    "order-canceled",
    "inventory-updated",
)
OUTPUT_NAMES = ("reservation-changed", "acknowledged-reservation", "stock-changed")
DEAD_LETTER = "dead-letter"
SHARDS = "shards"
ANY_PARTITION = -1
KEPT = {"retention.ms": str(7 * 24 * 60 * 60 * 1_000)}
"""What is read must not be kept for ever: reservations are not."""
COMPACTED = {"cleanup.policy": "compact"}
Place = tuple[int, int]
"""Partition and offset of a record."""


@dataclass(frozen=True, slots=True)
class Message:
    """A record to be sent; ``topic`` is the default name of an input topic."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    partition: int = ANY_PARTITION


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one group of workers, by their default names."""

    suffix: str
    shards_total: int
    input_partitions: int

    def name(self, default_name: str) -> str:
        """Return a topic's name in use."""
        return f"{default_name}{self.suffix}"

    @property
    def inputs(self) -> tuple[str, ...]:
        """The topics read."""
        return tuple(map(self.name, INPUT_NAMES))

    @property
    def outputs(self) -> tuple[str, ...]:
        """The topics written, dead letters included."""
        return (*map(self.name, OUTPUT_NAMES), self.name(DEAD_LETTER))

    @property
    def settings(self) -> dict[str, str]:
        """The settings that name them."""
        all_names = (*INPUT_NAMES, *OUTPUT_NAMES, DEAD_LETTER, SHARDS)
        return {
            **{
                f"RESERVATION_TOPICS__{name.replace('-', '_').upper()}": self.name(name)
                for name in all_names
            },
            "RESERVATION_TOPICS__SHARDS_TOTAL": str(self.shards_total),
            "RESERVATION_TOPICS__INPUT_PARTITIONS": str(self.input_partitions),
        }


class Cluster:
    """Plain clients of a Kafka cluster, as a stranger to the worker would use it."""

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers
        self._admin = AdminClient({"bootstrap.servers": bootstrap_servers, **QUIET})
        self._askers: dict[str, Consumer] = {}
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "linger.ms": 2,
                # As large as the brokers' default takes.
                "message.max.bytes": 1_048_000,
                **QUIET,
            }
        )

    def create(self, topics: Topics) -> None:
        """Create all topics."""
        new_topics = [
            NewTopic(name, topics.input_partitions, config=KEPT) for name in topics.inputs
        ]
        new_topics.extend(
            NewTopic(topics.name(name), topics.shards_total, config=COMPACTED)
            for name in (*OUTPUT_NAMES, SHARDS)
        )
        new_topics.append(NewTopic(topics.name(DEAD_LETTER), 1, config=KEPT))
        for answer in self._admin.create_topics(new_topics).values():
            answer.result(TIMEOUT_SECONDS)
        # A broker hears of them a moment after they were made.
        wanted = {one.topic for one in new_topics}
        wait_until(
            lambda: wanted <= self._admin.list_topics(timeout=TIMEOUT_SECONDS).topics.keys(),
            timeout_ms=TIMEOUT_SECONDS * 1_000,
            what="the new topics are known",
        )

    def add_input_partitions(self, topics: Topics, partitions_total: int) -> None:
        """Let each topic that is read have so many partitions."""
        wanted = [NewPartitions(name, partitions_total) for name in topics.inputs]
        for answer in self._admin.create_partitions(wanted).values():
            answer.result(TIMEOUT_SECONDS)

    def send(self, topics: Topics, messages: Iterable[Message]) -> list[Place]:
        """Send records; return where each came to stand, in their order."""
        places: dict[int, Place] = {}

        def note(position: int) -> Callable[[KafkaError | None, KafkaMessage], None]:
            def delivered(error: KafkaError | None, message: KafkaMessage) -> None:
                assert error is None, error
                places[position] = (message.partition() or 0, message.offset() or 0)

            return delivered

        for position, message in enumerate(messages):
            self._producer.produce(
                topics.name(message.topic),
                message.value,
                message.key,
                message.partition,
                headers=list(message.headers),
                on_delivery=note(position),
            )
            self._producer.poll(0)
        assert self._producer.flush(TIMEOUT_SECONDS) == 0
        return [places[position] for position in sorted(places)]

    def end_offsets(self, names: Sequence[str]) -> dict[Partition, int]:
        """Return the end of each partition, open transactions and control records included."""
        return end_offsets(self._admin, names)

    def committed_offsets(self, group_id: str, names: Sequence[str]) -> dict[Partition, int]:
        """Return what a group has committed of some topics; nothing while that is not known.

        Not asked by the admin client: it ends the process, by a null pointer, if the group's
        coordinator is moving (confluentinc/confluent-kafka-javascript#374).
        """
        if group_id not in self._askers:
            self._askers[group_id] = Consumer(
                {
                    "bootstrap.servers": self.bootstrap_servers,
                    "group.id": group_id,
                    # Without it, the answer would wait for open transactions.
                    "isolation.level": "read_uncommitted",
                    **QUIET,
                }
            )
        known = self._admin.list_topics(timeout=TIMEOUT_SECONDS).topics
        partitions = [TopicPartition(name, one) for name in names for one in known[name].partitions]
        try:
            answers = self._askers[group_id].committed(partitions, timeout=TIMEOUT_SECONDS)
        except KafkaException:
            return {}
        return {(one.topic, one.partition): one.offset for one in answers if one.offset >= 0}

    def delete_offsets(self, group_id: str) -> None:
        """Forget a group that has no members, and everything that it has committed."""
        self._admin.delete_consumer_groups([group_id])[group_id].result(TIMEOUT_SECONDS)

    def members(self, group_id: str) -> int:
        """Return how many members a group has."""
        return len(self._describe(group_id))

    def busy_members(self, group_id: str) -> int:
        """Return how many members of a group hold a partition."""
        return sum(bool(one.assignment.topic_partitions) for one in self._describe(group_id))

    def _describe(self, group_id: str) -> list[MemberDescription]:
        answer = self._admin.describe_consumer_groups([group_id])[group_id]
        members: list[MemberDescription] = answer.result(TIMEOUT_SECONDS).members
        return members

    def read(self, names: Sequence[str]) -> list[Record]:
        """Return all committed records, each partition's in order of offsets."""
        reader = Reader(self.bootstrap_servers, names)
        try:
            return reader.read_to_the_end()
        finally:
            reader.close()
