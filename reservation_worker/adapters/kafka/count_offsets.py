"""How far the counts reach, and how far the apply group has applied and published them."""

from threading import Thread
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
from reservation_worker.adapters.kafka.watermarks import partitions_of, stable_edges
from reservation_worker.ports import (
    BrokerUnavailable,
    CountsAnswer,
    CountsOfPartition,
    CountsQuestion,
)

ROLE: Final = "counts"


class KafkaCountOffsets:
    """Asks the brokers in a thread of its own: whoever asks goes on polling and applying counts."""

    def __init__(self, config: KafkaConfig, topic: str) -> None:
        self._topic = topic
        self._request_seconds = config.request_timeout_ms / 1000
        self._admin = WatchedAdmin(
            {**connection_options(config, ROLE), **forward_client_logs(ROLE)}, config
        )
        # It never joins the group, it only asks for its offsets.
        self._consumer = WatchedConsumer(
            {**reader_options(config, ROLE), **forward_client_logs(ROLE)}, config
        )

    def ask(self) -> CountsQuestion:
        """Begin to ask, without waiting; the answer is not older than this call."""
        return _Question(self)

    def look(self) -> CountsAnswer:
        """Ask, and wait for the answer: ends first, so that what is committed is not older.

        Raises:
            BrokerUnavailable: Kafka does not answer.
        """
        try:
            partitions = partitions_of(self._admin, self._topic, self._request_seconds)
            starts, ends, silent = stable_edges(self._admin, partitions, self._request_seconds)
            answers = self._consumer.committed(partitions, timeout=self._request_seconds)
        except KafkaException as exception:
            raise BrokerUnavailable(f"{self._topic}: {error_of(exception).str()}") from exception
        found: dict[int, CountsOfPartition] = {}
        reasons = {number: why for (_topic, number), why in silent.items()}
        for answer in answers:
            number, partition = answer.partition, (self._topic, answer.partition)
            if answer.error is not None:
                reasons[number] = answer.error.str()
            elif number not in reasons:
                committed = answer.offset if answer.offset >= 0 else None
                found[number] = CountsOfPartition(starts[partition], ends[partition], committed)
        return CountsAnswer(found, reasons)


class _Question:
    """Asked in a thread that ends with the requests' own time-outs."""

    def __init__(self, offsets: KafkaCountOffsets) -> None:
        self._offsets = offsets
        self._answer: CountsAnswer | None = None
        self._outage: BrokerUnavailable | None = None
        self._thread = Thread(target=self._ask, name=ROLE, daemon=True)
        self._thread.start()

    def answer(self) -> CountsAnswer | None:
        if self._thread.is_alive():
            return None
        if self._outage is not None:
            raise self._outage
        assert self._answer is not None, "the question ended in a surprise; its thread says which"
        return self._answer

    def _ask(self) -> None:
        try:
            self._answer = self._offsets.look()
        except BrokerUnavailable as outage:
            self._outage = outage
