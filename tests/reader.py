"""What a stranger to the worker reads of topics: committed records, up to the very end."""

from collections.abc import Sequence

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka import Message as KafkaMessage
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from reservation_worker.contracts.records import Record
from reservation_worker.ports import Partition
from tests.waiting import wait_until

TIMEOUT_SECONDS = 90
NO_LEADER_YET = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError._NOENT,  # noqa: SLF001
    }
)
QUIET: dict[str, str | int | float | bool] = {"log_level": 2}
"""The clients outlive the broker at the end of the tests."""


def end_offsets(admin: AdminClient, names: Sequence[str]) -> dict[Partition, int]:
    """Return the end of each partition, open transactions and control records included."""
    ends: dict[Partition, int] = {}

    def are_known() -> bool:
        try:
            ends.update(_end_offsets(admin, names))
        except KafkaException as exception:
            error: KafkaError = exception.args[0]
            # The partitions of a new topic are still choosing their leaders.
            assert error.code() in NO_LEADER_YET, error
            return False
        return True

    wait_until(are_known, timeout_ms=TIMEOUT_SECONDS * 1_000, what=f"leaders of {names}")
    return ends


def _end_offsets(admin: AdminClient, names: Sequence[str]) -> dict[Partition, int]:
    known = admin.list_topics(timeout=TIMEOUT_SECONDS).topics
    partitions = [TopicPartition(name, one) for name in names for one in known[name].partitions]
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # shipped so
    answers = admin.list_offsets(
        dict.fromkeys(partitions, latest), isolation_level=IsolationLevel.READ_UNCOMMITTED
    )
    return {
        (one.topic, one.partition): answer.result(TIMEOUT_SECONDS).offset
        for one, answer in answers.items()
    }


class Reader:
    """Reads topics from their beginning, as a `read_committed` subscriber would."""

    def __init__(self, bootstrap_servers: str, names: Sequence[str]) -> None:
        self.records: list[Record] = []
        self._read_up_to: dict[Partition, int] = {}
        self._names = tuple(names)
        self._admin = AdminClient({"bootstrap.servers": bootstrap_servers, **QUIET})
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
        """Read up to where each partition ends now, and return all that was read so far.

        The last stable offset would be too early: a commit returns before its markers stand in
        every partition, and under load a reader would see one partition's half of it.
        """
        ends = end_offsets(self._admin, self._names)
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
