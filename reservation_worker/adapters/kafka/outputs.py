"""The output topics, as a shard's owner reads them back."""

from collections.abc import Mapping, Sequence
from typing import Final

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from reservation_worker.adapters.kafka.client_logs import forward_client_logs
from reservation_worker.adapters.kafka.configuration import (
    KafkaConfig,
    connection_options,
    reader_options,
)
from reservation_worker.adapters.kafka.errors import error_of, is_end_of_partition
from reservation_worker.adapters.kafka.read_back import (
    RESTORED,
    KafkaReadBack,
    Pass,
    read_back_options,
)
from reservation_worker.adapters.kafka.watermarks import Edge, edge_offsets
from reservation_worker.contracts.records import OutputTopic, PublishedRecord
from reservation_worker.ports import BrokerUnavailable, Clock, Partition, ReadBack

ROLE: Final = "outputs"


class KafkaOutputs:
    """Reads output partitions without being a member of any group."""

    def __init__(
        self, config: KafkaConfig, topics: Mapping[OutputTopic, str], clock: Clock
    ) -> None:
        self._config = config
        self._topics = dict(topics)
        self._clock = clock
        self._admin: AdminClient | None = None
        self._reader: Consumer | None = None
        """Of one rebuild after the other; made for the first."""

    def yield_nothing(self, shard: int) -> bool:
        """Tell whether no committed record stands in the shard's output partitions.

        Raises:
            BrokerUnavailable: Kafka does not answer, or a transaction is still open.
        """
        partitions = [TopicPartition(topic, shard) for topic in self._topics.values()]
        try:
            first = self._edges(partitions, Edge.EARLIEST)
            last = self._edges(partitions, Edge.LATEST)
            filled = [
                TopicPartition(*partition, OFFSET_BEGINNING)
                for partition in last
                if last[partition] > first[partition]
            ]
            return not filled or self._read_nothing(filled, last)
        except KafkaException as exception:
            raise BrokerUnavailable(error_of(exception).str()) from exception

    def read_back(self, shard: int) -> ReadBack[PublishedRecord]:
        """Begin to read the newest state of a shard; the reading of another shard has ended.

        Raises:
            BrokerUnavailable: Kafka does not answer.
        """
        names = {topic: self._topics[topic] for topic in RESTORED}
        partitions = [TopicPartition(name, shard) for name in names.values()]
        try:
            first = self._edges(partitions, Edge.EARLIEST)
            # Asked once for both: what is restored of stocks and of reservations is of one moment.
            last = self._edges(partitions, Edge.LATEST)
        except KafkaException as exception:
            raise BrokerUnavailable(error_of(exception).str()) from exception
        passes = [
            Pass(topic, name, shard, first[name, shard], last[name, shard])
            for topic, name in names.items()
        ]
        if self._reader is None:
            options = read_back_options(self._config)
            self._reader = Consumer({**options, **forward_client_logs(str(options["client.id"]))})
        return KafkaReadBack(self._reader, passes, self._config.request_timeout_ms, self._clock)

    def _edges(self, partitions: Sequence[TopicPartition], edge: Edge) -> dict[Partition, int]:
        if self._admin is None:
            self._admin = AdminClient(
                {**connection_options(self._config, ROLE), **forward_client_logs(ROLE)}
            )
        return edge_offsets(self._admin, partitions, edge, self._config.request_timeout_ms / 1000)

    def _read_nothing(self, partitions: list[TopicPartition], ends: dict[Partition, int]) -> bool:
        """Read from the beginning up to the ends: aborted and control records yield nothing."""
        deadline_ms = self._clock.monotonic_ms() + self._config.request_timeout_ms
        consumer = Consumer({**reader_options(self._config, ROLE), **forward_client_logs(ROLE)})
        try:
            consumer.assign(partitions)
            unfinished = {(partition.topic, partition.partition) for partition in partitions}
            while unfinished:
                if self._clock.monotonic_ms() > deadline_ms:
                    raise BrokerUnavailable("the output topics cannot be read to their end")
                message = consumer.poll(0.1)
                if message is None:
                    continue
                error = message.error()
                if error is None:
                    return False
                topic, number, offset = message.topic(), message.partition(), message.offset()
                if topic is None or number is None or offset is None:
                    continue
                # Before the end it stands only where a transaction is still open.
                if is_end_of_partition(error) and offset >= ends[topic, number]:
                    unfinished.discard((topic, number))
            return True
        finally:
            consumer.close()
