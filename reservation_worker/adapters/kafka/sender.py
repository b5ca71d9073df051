"""Sends events to input topics, as any producer of a shop would."""

from collections.abc import Callable, Sequence
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as SentMessage

from reservation_worker.adapters.kafka.client_logs import forward_client_logs
from reservation_worker.adapters.kafka.configuration import KafkaConfig, connection_options
from reservation_worker.adapters.kafka.errors import error_of
from reservation_worker.ports import BrokerUnavailable

ROLE: Final = "sender"


class EventSender:
    """A plain producer that keeps count of what was delivered."""

    def __init__(
        self,
        config: KafkaConfig,
        on_delivered: Callable[[str, int, int], None] = lambda _topic, _partition, _offset: None,
    ) -> None:
        """Connect; topic, partition and offset of each delivered record are told."""
        self._tell_delivered = on_delivered
        options = connection_options(config, ROLE)
        self._producer = Producer(
            {
                **options,
                **forward_client_logs(str(options["client.id"])),
                "enable.idempotence": True,
                "linger.ms": 2,
            }
        )
        self._failure: KafkaError | None = None
        self.delivered_records = 0

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Send one record; `flush` tells whether it arrived.

        Raises:
            BrokerUnavailable: an earlier record was not delivered, or too many are on their way.
        """
        try:
            self._producer.produce(
                topic, value, key, headers=list(headers), on_delivery=self._on_delivery
            )
        except (BufferError, KafkaException) as exception:
            raise BrokerUnavailable(str(exception)) from exception
        self._producer.poll(0)
        self._raise_failure()

    def flush(self, timeout_ms: int) -> None:
        """Wait until all records have arrived.

        Raises:
            BrokerUnavailable: some have not.
        """
        try:
            waiting = self._producer.flush(timeout_ms / 1000)
        except KafkaException as exception:
            raise BrokerUnavailable(error_of(exception).str()) from exception
        self._raise_failure()
        if waiting:
            raise BrokerUnavailable(f"{waiting} records are not delivered yet")

    def _on_delivery(self, error: KafkaError | None, message: SentMessage) -> None:
        if error is not None:
            self._failure = error
            return
        self.delivered_records += 1
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        assert topic is not None
        assert partition is not None
        assert offset is not None
        self._tell_delivered(topic, partition, offset)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise BrokerUnavailable(f"A record was not delivered: {self._failure.str()}")
