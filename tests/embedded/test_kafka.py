"""A real Kafka: what the worker's guarantees rest on works in it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from reservation_worker.embedded import EmbeddedError, ServerDidNotStart
from reservation_worker.embedded.kafka import EmbeddedKafka, KafkaConfig
from tests.waiting import wait_until

UniqueName = Callable[[str], str]
TIMEOUT_SECONDS = 90


def create_topic(bootstrap_servers: str, topic: str, partitions: int = 1) -> None:
    """Create a topic with the cluster's own replication."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    admin.create_topics([NewTopic(topic, partitions)])[topic].result(TIMEOUT_SECONDS)


def produce(bootstrap_servers: str, topic: str, value: str) -> None:
    """Write one record and see it acknowledged by the replicas that must have it."""
    producer = Producer({"bootstrap.servers": bootstrap_servers, "acks": "all"})
    producer.produce(topic, value)
    assert producer.flush(TIMEOUT_SECONDS) == 0


def read(bootstrap_servers: str, topic: str, count: int) -> list[str]:
    """Read a topic's committed values from its beginning, in a `group.protocol=consumer` group."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": f"readers-of-{topic}",
            "group.protocol": "consumer",
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    consumer.subscribe([topic])
    values: list[str] = []

    def enough() -> bool:
        for message in consumer.consume(10, 0.2):
            assert message.error() is None, message.error()
            values.append((message.value() or b"").decode())
        return len(values) >= count

    try:
        wait_until(enough, timeout_ms=30_000, what=f"{count} records of {topic}; had {values}")
    finally:
        consumer.close()
    return values


def test_only_the_committed_transaction_is_read(kafka: str, unique_name: UniqueName) -> None:
    """Exactly once is built on this, and on reading in a group of the new protocol."""
    topic = unique_name("transactions")
    create_topic(kafka, topic)
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": unique_name("writer")})
    producer.init_transactions(TIMEOUT_SECONDS)
    producer.begin_transaction()
    producer.produce(topic, "aborted")
    producer.flush(TIMEOUT_SECONDS)
    producer.abort_transaction(TIMEOUT_SECONDS)
    producer.begin_transaction()
    producer.produce(topic, "committed")
    producer.commit_transaction(TIMEOUT_SECONDS)
    assert read(kafka, topic, 1) == ["committed"]


def test_topic_that_nobody_created_is_not_created_by_its_use(
    kafka: str, unique_name: UniqueName
) -> None:
    """A misspelt topic must show as an error, as it does in production."""
    topic = unique_name("misspelt")
    failures: list[str] = []
    producer = Producer({"bootstrap.servers": kafka, "topic.metadata.propagation.max.ms": 100})
    producer.produce(
        topic, "lost", on_delivery=lambda error, _: failures.append(error.name() if error else "")
    )
    producer.flush(TIMEOUT_SECONDS)
    assert failures == ["UNKNOWN_TOPIC_OR_PART"]
    assert topic not in AdminClient({"bootstrap.servers": kafka}).list_topics().topics


def test_killed_broker_of_three_leaves_the_others_working(
    tmp_path: Path, unique_name: UniqueName
) -> None:
    """Fault tests kill a broker and expect a delay; and it must come back where it was."""
    topic = unique_name("replicated")
    with EmbeddedKafka(tmp_path, brokers=3) as cluster:
        create_topic(cluster.bootstrap_servers, topic, partitions=3)
        produce(cluster.bootstrap_servers, topic, "before")
        killed = cluster.brokers[0]
        killed.kill()
        assert [broker.running for broker in cluster.brokers] == [False, True, True]
        produce(cluster.bootstrap_servers, topic, "during")
        killed.start()
        produce(killed.bootstrap_servers, topic, "after")
        values = read(cluster.bootstrap_servers, topic, 3)
    assert sorted(values) == ["after", "before", "during"]


def test_directory_of_an_earlier_cluster_is_taken_up_with_its_data(
    tmp_path: Path, unique_name: UniqueName
) -> None:
    """`dev` may be ended and begun again."""
    topic = unique_name("kept")
    with EmbeddedKafka(tmp_path / "a cluster") as earlier:
        create_topic(earlier.bootstrap_servers, topic)
        produce(earlier.bootstrap_servers, topic, "kept")
        broker = earlier.brokers[0]
    assert not broker.running
    with EmbeddedKafka(tmp_path / "a cluster") as later:
        assert read(later.bootstrap_servers, topic, 1) == ["kept"]


def test_directory_of_a_cluster_of_another_size_is_refused(tmp_path: Path) -> None:
    """A quorum that misses members would wait for ever."""
    meta = tmp_path / "broker-1" / "data" / "meta.properties"
    meta.parent.mkdir(parents=True)
    meta.touch()
    with pytest.raises(EmbeddedError, match="data of 1 brokers, not 3"):
        EmbeddedKafka(tmp_path, brokers=3).start()


def test_broker_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    """Whoever reads the error needs no second look."""
    config = KafkaConfig(settings={"log.cleaner.dedupe.buffer.size": "1"})
    with (
        pytest.raises(ServerDidNotStart, match=r"log\.cleaner\.dedupe\.buffer\.size"),
        EmbeddedKafka(tmp_path, config=config),
    ):
        pass
