"""A shop's topics on a real Kafka: written and read by strangers to the worker."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from reservation_worker.adapters.kafka.configuration import KafkaConfig
from reservation_worker.adapters.kafka.topic_needs import TopicLayout, needed_topics
from reservation_worker.adapters.kafka.topics import TopicAdmin
from reservation_worker.contracts.records import OutputTopic
from tests.reader import QUIET, Reader, end_offsets

SHARDS_TOTAL = 2
WRITE_TIMEOUT_SECONDS = 90


@dataclass(frozen=True, slots=True)
class Event:
    """A record as a reader sees it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None

    @property
    def body(self) -> dict[str, object]:
        """The JSON object that the record carries."""
        body = json.loads(self.value or b"")
        assert isinstance(body, dict)
        return body


class ShopTopics:
    """The topics of one test, with a prefix that no other test uses."""

    def __init__(self, config: KafkaConfig, prefix: str, *, input_partitions: int = 1) -> None:
        self.config = config
        self._prefix = prefix
        self.layout = TopicLayout(
            inputs=tuple(
                self.name(stem)
                for stem in (
                    "order-completed",
                    "payment-approved",
                    "order-invoiced",
                    "order-canceled",
                    "inventory-updated",
                )
            ),
            compacted_outputs=(self.name("reservation-changed"), self.name("stock-changed")),
            acknowledged=self.name("acknowledged-reservation"),
            dead_letter=self.name("reservation-dead-letter"),
            shards=self.name("reservation-shards"),
            shards_total=SHARDS_TOTAL,
            input_partitions=input_partitions,
            replication_factor=None,
            input_retention_hours=24,
            input_message_bytes_max=1_000_000,
            dead_letter_retention_hours=48,
            reservations=None,
        )
        self._producer = Producer({"bootstrap.servers": config.bootstrap_servers, "linger.ms": 0})

    @property
    def output_names(self) -> Mapping[OutputTopic, str]:
        """The names of the output topics in this test."""
        return {topic: self.name(topic.value) for topic in OutputTopic}

    def name(self, stem: str) -> str:
        """Return the name of a topic in this test."""
        return f"{self._prefix}.{stem}"

    def create(self) -> None:
        """Create all topics, as an operator would."""
        admin = TopicAdmin(self.config)
        admin.apply(admin.plan(self.layout))
        # A partition may have a leader that does not know of it yet.
        client = AdminClient({"bootstrap.servers": self.config.bootstrap_servers, **QUIET})
        end_offsets(client, [topic.name for topic in needed_topics(self.layout)])

    def send(self, stem: str, body: Mapping[str, object] | bytes, partition: int = 0) -> None:
        """Write one record to an input topic."""
        value = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._producer.produce(self.name(stem), value, partition=partition)

    def flush(self) -> None:
        """Have everything written before going on."""
        assert self._producer.flush(WRITE_TIMEOUT_SECONDS) == 0

    def count(self, sku: str, on_hand: int, account: str = "acme") -> None:
        """State that a stock was counted."""
        self.send(
            "inventory-updated",
            {
                "account": account,
                "warehouse_id": "main",
                "sku": sku,
                "on_hand": on_hand,
                "counted_at": "2026-01-01T00:00:00Z",
            },
        )

    def order(self, order_id: str, sku: str, quantity: int, account: str = "acme") -> None:
        """State that an order of one line was completed."""
        self.send(
            "order-completed",
            {
                "account": account,
                "order_id": order_id,
                "completed_at": "2026-01-01T01:00:00Z",
                "reservation_ttl_seconds": 60,
                "lines": [
                    {"line_id": "1", "warehouse_id": "main", "sku": sku, "quantity": quantity}
                ],
            },
        )

    def pay(self, order_id: str, account: str = "acme") -> None:
        """State that an order was paid."""
        self.send(
            "payment-approved",
            {"account": account, "order_id": order_id, "approved_at": "2026-01-01T01:00:30Z"},
        )

    def read(self, stem: str) -> list[Event]:
        """Read a topic from its beginning to its end, as a read-committed reader does."""
        reader = Reader(self.config.bootstrap_servers, [self.name(stem)])
        try:
            return [
                Event(one.topic, one.partition, one.offset, one.key, one.value)
                for one in reader.read_to_the_end()
            ]
        finally:
            reader.close()
