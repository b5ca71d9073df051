"""How far the payment topic reaches, and how far it has been applied and published."""

from collections.abc import Mapping
from typing import Final

from confluent_kafka import KafkaException

from reservation_worker.adapters.kafka.client_logs import forward_client_logs
from reservation_worker.adapters.kafka.configuration import (
    KafkaConfig,
    connection_options,
    reader_options,
)
from reservation_worker.adapters.kafka.errors import error_of
from reservation_worker.adapters.kafka.watched import WatchedAdmin, WatchedConsumer
from reservation_worker.adapters.kafka.watermarks import (
    Edge,
    edge_offsets,
    partitions_of,
)
from reservation_worker.ports import BrokerUnavailable

ROLE: Final = "frontier"


class KafkaPaymentOffsets:
    """Asks the brokers each time: nothing is remembered from one question to the next."""

    def __init__(self, config: KafkaConfig, topic: str) -> None:
        self._topic = topic
        self._request_seconds = config.request_timeout_ms / 1000
        self._admin = WatchedAdmin(
            {**connection_options(config, ROLE), **forward_client_logs(ROLE)}, config
        )
        # It never joins the group, it only asks for its offsets. An admin client can ask as well,
        # but ends the process (a null pointer in the client library) if the group's coordinator is
        # moving: confluentinc/confluent-kafka-javascript#374.
        self._consumer = WatchedConsumer(
            {**reader_options(config, ROLE), **forward_client_logs(ROLE)}, config
        )

    def end_offsets(self) -> Mapping[int, int]:
        """Return the end of every partition, records of open transactions included.

        Raises:
            BrokerUnavailable: Kafka does not answer.
        """
        try:
            partitions = partitions_of(self._admin, self._topic, self._request_seconds)
            ends = edge_offsets(self._admin, partitions, Edge.LATEST, self._request_seconds)
        except KafkaException as exception:
            raise BrokerUnavailable(error_of(exception).str()) from exception
        return {number: offset for (_topic, number), offset in ends.items()}

    def committed_offsets(self) -> Mapping[int, int]:
        """Return what the apply group has committed, by partition; absent: nothing.

        Raises:
            BrokerUnavailable: Kafka does not answer.
        """
        try:
            partitions = partitions_of(self._admin, self._topic, self._request_seconds)
            answers = self._consumer.committed(partitions, timeout=self._request_seconds)
        except KafkaException as exception:
            raise BrokerUnavailable(error_of(exception).str()) from exception
        for answer in answers:
            if answer.error is not None:
                raise BrokerUnavailable(answer.error.str())
        return {answer.partition: answer.offset for answer in answers if answer.offset >= 0}
