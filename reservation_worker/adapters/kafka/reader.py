"""Whole topics, as any reader sees them: from the first record on, committed ones only."""

from collections.abc import Sequence
from typing import Final

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaException,
    TopicPartition,
)
from confluent_kafka import Message as ReadMessage

from reservation_worker.adapters.kafka.client_logs import ClientVoice
from reservation_worker.adapters.kafka.configuration import KafkaConfig, reader_options
from reservation_worker.adapters.kafka.errors import error_of, is_end_of_partition
from reservation_worker.adapters.kafka.messages import place_of, record_of
from reservation_worker.adapters.kafka.topic_questions import TopicQuestions
from reservation_worker.adapters.kafka.watermarks import Edge
from reservation_worker.contracts.records import Record
from reservation_worker.ports import BrokerUnavailable, Partition
from reservation_worker.telemetry.labels import LostReason

ROLE: Final = "reader"


class TopicReader:
    """Reads all partitions of some topics, outside of any group, and commits nothing."""

    def __init__(self, config: KafkaConfig, topics: Sequence[str]) -> None:
        """Connect; `begin` asks for the partitions."""
        self._topics = tuple(topics)
        self._request_seconds = config.request_timeout_ms / 1000
        options = reader_options(config, ROLE)
        self._voice = ClientVoice(options, config.secrets)
        self._consumer = Consumer({**options, **self._voice.options})
        self._questions = TopicQuestions(config, ROLE)
        self._partitions: tuple[Partition, ...] = ()
        self._read_up_to: dict[Partition, int] = {}

    def begin(self) -> None:
        """Find the partitions, and read each from its beginning.

        Raises:
            BrokerUnavailable: Kafka does not answer, or a topic does not exist.
        """
        self._partitions = self._find_partitions()
        self._read_up_to = {}
        self._consumer.assign([TopicPartition(*one, OFFSET_BEGINNING) for one in self._partitions])

    def poll(self, timeout_ms: int, records_max: int) -> tuple[Record, ...]:
        """Return what is there, in the order of each partition; wait only while there is nothing.

        Raises:
            BrokerUnavailable: a partition cannot be read.
        """
        try:
            first = self._consumer.poll(timeout_ms / 1000)
            messages = self._consumer.consume(records_max, 0)
        except KafkaException as exception:
            raise self._unavailable(exception, "Reading") from exception
        if first is not None:
            messages.insert(0, first)
        records = (self._take(message) for message in messages)
        return tuple(record for record in records if record is not None)

    def end_offsets(self) -> dict[Partition, int]:
        """Return the end of each partition, records of open transactions included.

        Raises:
            BrokerUnavailable: Kafka does not answer.
        """
        # Not the consumer's own question: on its connection each would wait behind a fetch.
        partitions = [TopicPartition(*one) for one in self._partitions or self._find_partitions()]
        return self._questions.edges(partitions, Edge.LATEST)

    def has_read(self, end_offsets: dict[Partition, int]) -> bool:
        """Tell whether everything before these offsets has been returned by `poll`."""
        return all(self._read_up_to.get(one, 0) >= end for one, end in end_offsets.items())

    def uncommitted_records(self) -> int:
        """Return how many records the group has not committed yet, markers included.

        Raises:
            BrokerUnavailable: Kafka does not answer.
        """
        ends = self.end_offsets()
        try:
            answers = self._consumer.committed(
                [TopicPartition(*one) for one in ends], timeout=self._request_seconds
            )
        except KafkaException as exception:
            raise self._unavailable(exception, "Reading the group's offsets of") from exception
        return sum(
            max(0, ends[answer.topic, answer.partition] - max(0, answer.offset))
            for answer in answers
        )

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()

    def _unavailable(self, exception: KafkaException, doing: str) -> BrokerUnavailable:
        return self._voice.explained(error_of(exception), f"{doing} {', '.join(self._topics)}")

    def _find_partitions(self) -> tuple[Partition, ...]:
        try:
            known = self._consumer.list_topics(timeout=self._request_seconds).topics
        except KafkaException as exception:
            raise self._unavailable(exception, "Asking for") from exception
        missing = [topic for topic in self._topics if topic not in known]
        if missing:
            raise BrokerUnavailable(
                f"The topics {', '.join(missing)} do not exist.", LostReason.UNKNOWN_TOPIC
            )
        return tuple(
            (topic, number) for topic in self._topics for number in sorted(known[topic].partitions)
        )

    def _take(self, message: ReadMessage) -> Record | None:
        error = message.error()
        if error is not None and not is_end_of_partition(error):
            raise self._voice.explained(error, f"Reading {message.topic()}-{message.partition()}")
        partition, offset = place_of(message)
        if error is not None:
            self._read_up_to[partition] = offset
            return None
        self._read_up_to[partition] = offset + 1
        return record_of(message)
