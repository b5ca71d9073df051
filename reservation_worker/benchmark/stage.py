"""Real servers of the benchmark's own, one real worker process, and a read_committed reader."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka import Message as ReadMessage

from reservation_worker.benchmark.mix import Message
from reservation_worker.benchmark.place import Place
from reservation_worker.embedded import Progress, ignore_progress
from reservation_worker.embedded.kafka import ROOMY_JAVA, EmbeddedKafka, KafkaConfig
from reservation_worker.embedded.valkey import AppendFsync, EmbeddedValkey

OUTPUT = "reservation-changed"
STALL_SECONDS = 60
"""A measurement that makes no progress for so long is given up."""
APPEND_FSYNC: AppendFsync = "everysec"
SEND_TIMEOUT_SECONDS = 60
TRANSACTION_TIMEOUT_MS = 600_000
LEADER_LOOKS_MAX = 40
LEADER_LOOK_SECONDS = 0.25
OWN_TOPICS = (
    *("ORDER_COMPLETED", "PAYMENT_APPROVED", "ORDER_INVOICED", "ORDER_CANCELED"),
    *("INVENTORY_UPDATED", "RESERVATION_CHANGED", "ACKNOWLEDGED_RESERVATION", "STOCK_CHANGED"),
    *("DEAD_LETTER", "SHARDS"),
)
"""What a scene names after itself."""


class Stalled(Exception):
    """Nothing came for a long time: the measurement is worth nothing."""


@dataclass(frozen=True, slots=True)
class Stage(Place):
    """A place on servers that nobody else uses."""

    valkey: EmbeddedValkey

    def topic_options(self) -> dict[str, str]:
        """Have the broker date what it appends: no client's clock or pace is in the figures."""
        return {"message.timestamp.type": "LogAppendTime"}

    def own_variables(self) -> dict[str, str]:
        """Return what differs from the environment of this process."""
        # The short form of `super` does not find its class where there are slots.
        return {"RESERVATION_REDIS__URL": self.valkey.url, **Place.own_variables(self)}


@contextmanager
def stage(directory: Path) -> Iterator[Stage]:
    """Start Kafka and Valkey (AOF every second) and create the topics."""
    with broker(directory) as kafka, scene(directory, kafka) as found:
        yield found


@contextmanager
def broker(directory: Path, progress: Progress = ignore_progress) -> Iterator[EmbeddedKafka]:
    """Start a Kafka that collects its garbage seldom."""
    config = KafkaConfig(java_options=ROOMY_JAVA)
    with EmbeddedKafka(directory / "kafka", config=config, progress=progress) as kafka:
        yield kafka


@contextmanager
def scene(
    directory: Path,
    kafka: EmbeddedKafka,
    name: str = "",
    variables: Mapping[str, str] | None = None,
) -> Iterator[Stage]:
    """Start a Valkey, and use topics and a group of their own on a Kafka that is warm already."""
    home = directory / name
    home.mkdir(parents=True, exist_ok=True)
    with EmbeddedValkey(home / "valkey", append_fsync=APPEND_FSYNC) as valkey:
        found = Stage(
            home,
            kafka.bootstrap_servers,
            valkey,
            variables={**named_variables(name), **(variables or {})},
            process_ids={"broker": kafka.brokers[0].process_id, "redis": valkey.process_id},
        )
        found.create_topics()
        yield found
        if name:
            found.delete_topics(lambda topic: topic.startswith(f"{name}-"))


def named_variables(name: str) -> dict[str, str]:
    """Return the settings that name topics and group after a scene; none if it has no name."""
    if not name:
        return {}
    topics = {
        f"RESERVATION_TOPICS__{topic}": f"{name}-{topic.lower().replace('_', '-')}"
        for topic in OWN_TOPICS
    }
    return {**topics, "RESERVATION_KAFKA__GROUP_ID": name}


def send(found: Place, messages: Iterable[Message]) -> int:
    """Produce messages as fast as the broker takes them; return how many."""
    producer = Producer(_sender_options(found))
    sent = _produce_all(found, producer, messages)
    assert producer.flush(SEND_TIMEOUT_SECONDS) == 0, "the broker did not take all in a minute"
    return sent


@contextmanager
def sent_at_once(found: Place, messages: Iterable[Message]) -> Iterator[Callable[[], None]]:
    """Produce messages that nobody can read before what is given is called.

    So workers that are to begin together can all be ready before there is anything to do.
    """
    options = _sender_options(found)
    options["transactional.id"] = f"{found.settings().kafka.group_id}-sender"
    options["transaction.timeout.ms"] = TRANSACTION_TIMEOUT_MS
    producer = Producer(options)
    producer.init_transactions(SEND_TIMEOUT_SECONDS)
    producer.begin_transaction()
    _produce_all(found, producer, messages)
    assert producer.flush(SEND_TIMEOUT_SECONDS) == 0, "the broker did not take all in a minute"
    yield lambda: producer.commit_transaction(SEND_TIMEOUT_SECONDS)


def _sender_options(found: Place) -> dict[str, str | int | float | bool]:
    return {"bootstrap.servers": found.bootstrap_servers, "linger.ms": 20, "acks": "all"}


def _produce_all(found: Place, producer: Producer, messages: Iterable[Message]) -> int:
    names = found.input_topics()
    sent = 0
    for message in messages:
        while True:
            try:
                producer.produce(names[message.topic], message.value)
                break
            except BufferError:
                producer.poll(0.1)
        sent += 1
        if sent % 1_000 == 0:
            producer.poll(0)
    return sent


class Reader:
    """Reads the published changes of reservations as a subscriber would: read_committed."""

    def __init__(self, found: Place) -> None:
        topic = found.topic(OUTPUT)
        self._consumer = Consumer(
            {
                "bootstrap.servers": found.bootstrap_servers,
                "group.id": "benchmark-reader",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 100,
            }
        )
        partitions = self._consumer.list_topics(topic, 10).topics[topic].partitions
        self._consumer.assign(
            [TopicPartition(topic, number, self._end(topic, number)) for number in partitions]
        )

    def _end(self, topic: str, number: int) -> int:
        """Return the end of a partition; a new topic may still be choosing its leaders."""
        for _ in range(LEADER_LOOKS_MAX):
            try:
                ends = self._consumer.get_watermark_offsets(TopicPartition(topic, number), 5)
            except KafkaException:
                ends = None
            if ends is not None:
                return ends[1]
            time.sleep(LEADER_LOOK_SECONDS)
        raise Stalled(f"partition {number} of {topic} has no leader")

    def read_records(self, timeout_seconds: float) -> list[ReadMessage]:
        """Return the records that have come."""
        first = self._consumer.poll(timeout_seconds)
        if first is None:
            return []
        found = [first, *self._consumer.consume(5_000, 0)]
        for message in found:
            assert message.error() is None, str(message.error())
        return found

    def close(self) -> None:
        """Leave."""
        self._consumer.close()
