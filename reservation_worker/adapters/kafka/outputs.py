"""The output topics, as a shard's owner reads them back."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from confluent_kafka import Consumer, TopicPartition

from reservation_worker.adapters.kafka.client_logs import ClientVoice
from reservation_worker.adapters.kafka.configuration import KafkaConfig
from reservation_worker.adapters.kafka.read_back import (
    KafkaReadBack,
    Pass,
    read_back_options,
)
from reservation_worker.adapters.kafka.topic_questions import TopicQuestions
from reservation_worker.adapters.kafka.watched import WatchedConsumer
from reservation_worker.adapters.kafka.watermarks import Edge
from reservation_worker.contracts.records import (
    EVENT_TOPICS,
    RESTORED_FROM,
    OutputTopic,
    PublishedRecord,
)
from reservation_worker.ports import (
    BrokerUnavailable,
    Clock,
    Partition,
    PartitionUnreachable,
    ReadBack,
)
from reservation_worker.telemetry.labels import LostReason

ROLE: Final = "outputs"


class KafkaOutputs:
    """Reads output partitions without being a member of any group."""

    def __init__(
        self, config: KafkaConfig, topics: Mapping[OutputTopic, str], clock: Clock
    ) -> None:
        self._config = config
        self._topics = dict(topics)
        self._clock = clock
        self._questions: TopicQuestions | None = None
        self._reader: Consumer | None = None
        """Of one rebuild after the other; made for the first."""

    def yield_nothing(self, shard: int) -> bool:
        """Tell whether no committed record stands in the shard's output partitions.

        Raises:
            BrokerUnavailable: Kafka does not answer, or a transaction is still open.
        """
        passes = [one for one in self._passes(shard, EVENT_TOPICS) if one.end > one.begin]
        if not passes:
            return True
        # Not the rebuilds' reader: one of them may be under way.
        consumer = self._new_reader()
        try:
            reading = self._reading(consumer, passes)
            while not reading.finished:
                if reading.read(1):
                    return False
            return True
        finally:
            consumer.close()

    def read_back(self, shard: int) -> ReadBack[PublishedRecord]:
        """Begin to read the newest state of a shard; the reading of another shard has ended.

        Raises:
            BrokerUnavailable: Kafka does not answer.
        """
        return self.read_on(shard, {})

    def read_on(self, shard: int, after: Mapping[str, int]) -> ReadBack[PublishedRecord]:
        """Begin to read behind these offsets, up to the ends that the partitions have now.

        Raises:
            BrokerUnavailable: Kafka does not answer.
        """
        passes = [
            replace(one, begin=max(one.begin, after.get(one.topic, 0)))
            for one in self._passes(shard, RESTORED_FROM)
        ]
        return self._reading(self._shared_reader(), passes)

    def record_at(self, shard: int, topic: str, offset: int) -> PublishedRecord | None:
        """Return the record that stands at an offset; None: it is gone, or was none.

        Raises:
            BrokerUnavailable: Kafka does not answer.
        """
        named = OutputTopic(topic)
        one = Pass(named, self._topics[named], shard, offset, offset + 1)
        reading = self._reading(self._shared_reader(), [one])
        found: list[PublishedRecord] = []
        while not reading.finished:
            found += reading.read(1)
        return found[0] if found else None

    def close(self) -> None:
        """Disconnect."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _shared_reader(self) -> Consumer:
        if self._reader is None:
            self._reader = self._new_reader()
        return self._reader

    def _passes(self, shard: int, topics: Iterable[OutputTopic]) -> list[Pass]:
        names = {topic: self._topics[topic] for topic in topics}
        partitions = [TopicPartition(name, shard) for name in names.values()]
        first = self._edges(partitions, Edge.EARLIEST)
        # Asked once for all: what is restored of stocks and of reservations is of one moment.
        last = self._edges(partitions, Edge.LATEST)
        return [
            Pass(topic, name, shard, first[name, shard], last[name, shard])
            for topic, name in names.items()
        ]

    def _new_reader(self) -> Consumer:
        options = read_back_options(self._config)
        voice = ClientVoice(options, self._config.secrets)
        return WatchedConsumer({**options, **voice.options}, self._config)

    def _reading(self, consumer: Consumer, passes: list[Pass]) -> KafkaReadBack:
        return KafkaReadBack(consumer, passes, self._config.request_timeout_ms, self._clock)

    def _edges(self, partitions: Sequence[TopicPartition], edge: Edge) -> dict[Partition, int]:
        if self._questions is None:
            self._questions = TopicQuestions(self._config, ROLE)
        try:
            return self._questions.edges(partitions, edge)
        except BrokerUnavailable as error:
            if error.reason is LostReason.NO_LEADER:
                raise PartitionUnreachable(str(error), error.reason) from error
            raise
