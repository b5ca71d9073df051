"""Topics of a test's own, and what reading and writing them takes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka import Message as KafkaMessage
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._group import MemberDescription
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.cimpl import NewTopic

from reservation_worker.contracts.records import Record
from reservation_worker.ports import Partition

TIMEOUT_SECONDS = 30
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
QUIET: dict[str, str | int | float | bool] = {"log_level": 2}
"""The clients outlive the broker at the end of the tests."""
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
        new_topics = [NewTopic(name, topics.input_partitions) for name in topics.inputs]
        new_topics.extend(
            NewTopic(topics.name(name), topics.shards_total) for name in (*OUTPUT_NAMES, SHARDS)
        )
        new_topics.append(NewTopic(topics.name(DEAD_LETTER), 1))
        for answer in self._admin.create_topics(new_topics).values():
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
        known = self._admin.list_topics(timeout=TIMEOUT_SECONDS).topics
        partitions = [TopicPartition(name, one) for name in names for one in known[name].partitions]
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        answers = self._admin.list_offsets(
            dict.fromkeys(partitions, latest), isolation_level=IsolationLevel.READ_UNCOMMITTED
        )
        return {
            (one.topic, one.partition): answer.result(TIMEOUT_SECONDS).offset
            for one, answer in answers.items()
        }

    def committed_offsets(self, group_id: str) -> dict[Partition, int]:
        """Return what a group has committed."""
        request = [ConsumerGroupTopicPartitions(group_id)]
        answer = self._admin.list_consumer_group_offsets(request)[group_id]
        try:
            offsets = answer.result(TIMEOUT_SECONDS).topic_partitions or []
        except KafkaException:
            # The group's coordinator is not known yet.
            return {}
        return {(one.topic, one.partition): one.offset for one in offsets if one.offset >= 0}

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


class Reader:
    """Reads topics from their beginning, as a `read_committed` subscriber would."""

    def __init__(self, bootstrap_servers: str, names: Sequence[str]) -> None:
        self.records: list[Record] = []
        self._read_up_to: dict[Partition, int] = {}
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": "readers",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 20,
                **QUIET,
            }
        )
        known = self._consumer.list_topics(timeout=TIMEOUT_SECONDS).topics
        self._partitions = {(name, one) for name in names for one in known[name].partitions}
        self._consumer.assign(
            [TopicPartition(*partition, OFFSET_BEGINNING) for partition in self._partitions]
        )

    def poll(self) -> list[Record]:
        """Read what is there, and return all that was read so far."""
        for message in self._consumer.consume(1_000, 0.05):
            self._take(message)
        return self.records

    def read_to_the_end(self) -> list[Record]:
        """Read up to where each partition ends now, and return all that was read so far."""
        ends = {
            partition: self._consumer.get_watermark_offsets(
                TopicPartition(*partition), timeout=TIMEOUT_SECONDS, cached=False
            )[1]
            for partition in self._partitions
        }
        for _ in range(int(TIMEOUT_SECONDS / 0.05)):
            if all(self._read_up_to.get(one, 0) >= end for one, end in ends.items()):
                return self.records
            self.poll()
        raise AssertionError(f"not read in time: {ends}, but {self._read_up_to}")

    def close(self) -> None:
        """Leave."""
        self._consumer.close()

    def _take(self, message: KafkaMessage) -> None:
        error = message.error()
        topic, number, offset = message.topic(), message.partition(), message.offset()
        assert topic is not None
        assert number is not None
        assert offset is not None
        if error is not None:
            assert error.code() == KafkaError._PARTITION_EOF, error  # noqa: SLF001
            self._read_up_to[topic, number] = offset
            return
        self._read_up_to[topic, number] = offset + 1
        self.records.append(
            Record(
                topic,
                number,
                offset,
                message.timestamp()[1],
                message.key(),
                message.value(),
                tuple(message.headers() or ()),  # type: ignore[arg-type]  # bytes as read
            )
        )
