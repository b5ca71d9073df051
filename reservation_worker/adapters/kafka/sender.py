"""Sends events to input topics, as any producer of a shop would."""

from collections.abc import Callable, Sequence
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as SentMessage

from reservation_worker.adapters.kafka.client_logs import ClientVoice
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
        self._voice = ClientVoice(options, config.secrets)
        self._producer = Producer(
            {
                **options,
                **self._voice.options,
                "enable.idempotence": True,
                "linger.ms": 2,
            }
        )
        self._failure: tuple[KafkaError, str] | None = None
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
        except BufferError as exception:
            raise BrokerUnavailable(f"Sending to {topic}: {exception}") from exception
        except KafkaException as exception:
            raise self._explained(error_of(exception), topic) from exception
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
            raise self._explained(error_of(exception), "the topics") from exception
        self._raise_failure()
        if waiting:
            error = KafkaError(KafkaError._TIMED_OUT)  # noqa: SLF001
            raise self._explained(error, f"the topics ({waiting} records are not delivered yet)")

    def _on_delivery(self, error: KafkaError | None, message: SentMessage) -> None:
        if error is not None:
            self._failure = (error, f"{message.topic()}")
            return
        self.delivered_records += 1
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        assert topic is not None
        assert partition is not None
        assert offset is not None
        self._tell_delivered(topic, partition, offset)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._explained(*self._failure)

    def _explained(self, error: KafkaError, topic: str) -> BrokerUnavailable:
        return self._voice.explained(error, f"Sending to {topic}", self._producer)
