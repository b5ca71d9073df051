"""What is published of a shard, read back from a real Kafka to restore the shard from."""

from contextlib import suppress
from dataclasses import replace

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from reservation_worker.adapters.kafka.configuration import KafkaConfig, OptionValue
from reservation_worker.adapters.kafka.outputs import KafkaOutputs
from reservation_worker.adapters.kafka.read_back import KafkaReadBack, Pass, read_back_options
from reservation_worker.contracts.records import OutputTopic, PublishedRecord
from reservation_worker.ports import BrokerUnavailable, ReadBack
from tests.clocks import MachineClock
from tests.kafka.shop_topics import ShopTopics
from tests.waiting import wait_until

Headers = list[tuple[str, str | bytes | None]] | None
STOCK, RESERVATION = OutputTopic.STOCK_CHANGED, OutputTopic.RESERVATION_CHANGED
SHARD = 1


class Late(Consumer):
    """Hands out one more record of what was assigned before, as one that was fetched already."""

    def __init__(self, options: dict[str, OptionValue]) -> None:
        super().__init__(dict(options))
        self.late: list[Message] = []
        self._partitions: list[TopicPartition] = []

    def assign(self, partitions: list[TopicPartition]) -> None:
        """Take a record of the partition that is given up."""
        if self._partitions:
            wait_until(self._has_fetched, timeout_ms=10_000, what="a record is fetched")
        self._partitions = partitions
        super().assign(partitions)

    def poll(self, timeout: float = -1) -> Message | None:
        """Hand out the late one first."""
        return self.late.pop() if self.late else super().poll(timeout)

    def _has_fetched(self) -> bool:
        message = super().poll(0.1)
        if message is not None and message.error() is None:
            self.late.append(message)
        return bool(self.late)


class Owner:
    """Publishes transactions of records of the shard."""

    def __init__(self, topics: ShopTopics, name: str = "owner") -> None:
        self._names = topics.output_names
        self._producer = Producer(
            {
                "bootstrap.servers": topics.config.bootstrap_servers,
                "transactional.id": topics.name(name),
            }
        )
        self._producer.init_transactions(20)

    def begin(self, step: int, *records: tuple[OutputTopic, str, bytes | None]) -> None:
        """Open a transaction, and have its records at the brokers."""
        self._producer.begin_transaction()
        for index, (topic, key, value) in enumerate(records):
            headers: Headers = (
                None if value is None else [("ce_id", f"{SHARD}-{step}-{index}".encode())]
            )
            self._producer.produce(self._names[topic], value, key, SHARD, headers=headers)
        assert self._producer.flush(20) == 0

    def publish(self, step: int, *records: tuple[OutputTopic, str, bytes | None]) -> None:
        """Commit a transaction."""
        self.begin(step, *records)
        self._producer.commit_transaction()

    def abort(self) -> None:
        """End the open transaction without effect."""
        self._producer.abort_transaction()


def begun(outputs: KafkaOutputs) -> ReadBack[PublishedRecord]:
    """Begin to read the shard back, once the brokers have told each other who leads it."""
    readings: list[ReadBack[PublishedRecord]] = []

    def is_begun() -> bool:
        with suppress(BrokerUnavailable):
            readings.append(outputs.read_back(SHARD))
        return bool(readings)

    wait_until(is_begun, timeout_ms=20_000, what="the brokers tell the ends")
    return readings[0]


def read_all(reading: ReadBack[PublishedRecord]) -> list[tuple[OutputTopic, bytes, bytes | None]]:
    """Return everything that a pass gives."""
    found: list[tuple[OutputTopic, bytes, bytes | None]] = []

    def is_finished() -> bool:
        records = reading.read(2)
        assert len(records) <= 2
        assert len({record.topic for record in records}) <= 1
        found.extend((record.topic, record.key, record.value) for record in records)
        return reading.finished

    wait_until(is_finished, timeout_ms=20_000, what="all is read back")
    return found


def test_stocks_come_before_reservations_and_only_what_is_committed(
    topics: ShopTopics, config: KafkaConfig
) -> None:
    """What is committed after the ends were taken belongs to nobody who restores from here."""
    owner, outputs = Owner(topics), KafkaOutputs(config, topics.output_names, MachineClock())
    owner.publish(1, (RESERVATION, "a/1", b"1"), (STOCK, "a/m/s", b"2"))
    owner.begin(9, (RESERVATION, "a/1", b"aborted"), (STOCK, "a/m/s", b"aborted"))
    owner.abort()
    owner.publish(7, (RESERVATION, "a/2", b"3"), (STOCK, "a/m/s", b"4"), (STOCK, "a/m/t", b"5"))
    owner.publish(8, (RESERVATION, "a/1", None))
    reading = begun(outputs)
    assert 0 < reading.records_left
    owner.publish(10, (RESERVATION, "a/3", b"later"), (STOCK, "a/m/s", b"later"))
    assert read_all(reading) == [
        (STOCK, b"a/m/s", b"2"),
        (STOCK, b"a/m/s", b"4"),
        (STOCK, b"a/m/t", b"5"),
        (RESERVATION, b"a/1", b"1"),
        (RESERVATION, b"a/2", b"3"),
        (RESERVATION, b"a/1", None),
    ]
    assert (7, 0) == (reading.highest_step, reading.records_left)
    reading.close()
    # The next rebuild, and a shard of which there is nothing.
    assert 8 == len(read_all(outputs.read_back(SHARD)))
    assert outputs.read_back(0).finished


def test_a_transaction_that_is_open_must_end_first(topics: ShopTopics, config: KafkaConfig) -> None:
    """The last stable offset must reach the end: nobody knows whether it will be committed."""
    owner, former = Owner(topics), Owner(topics, "former")
    owner.publish(1, (STOCK, "a/m/s", b"1"))
    former.begin(2, (STOCK, "a/m/s", b"2"))
    quick = replace(config, request_timeout_ms=3_000)
    reading = begun(KafkaOutputs(quick, topics.output_names, MachineClock()))
    with pytest.raises(BrokerUnavailable, match="still open"):
        read_all(reading)
    assert not reading.finished
    former.abort()
    assert [] == read_all(reading)
    assert 1 == reading.highest_step


def test_what_comes_late_of_the_pass_before_is_not_of_this_one(
    topics: ShopTopics, config: KafkaConfig
) -> None:
    """A stock would be restored as a reservation; one beyond the end would end the next pass."""
    owner = Owner(topics)
    owner.publish(1, (STOCK, "a/m/s", b"1"), (RESERVATION, "a/1", b"2"), (RESERVATION, "a/2", b"3"))
    # Behind the end of the first pass: never to be returned. More than one reading takes.
    owner.publish(2, *((STOCK, "a/m/s", b"later") for _ in range(5)))
    consumer = Late(read_back_options(config))
    names = topics.output_names
    passes = [
        Pass(STOCK, names[STOCK], SHARD, 0, 1),
        Pass(RESERVATION, names[RESERVATION], SHARD, 0, 2),
    ]
    reading = KafkaReadBack(consumer, passes, config.request_timeout_ms, MachineClock())
    assert read_all(reading) == [
        (STOCK, b"a/m/s", b"1"),
        (RESERVATION, b"a/1", b"2"),
        (RESERVATION, b"a/2", b"3"),
    ]
    assert (1, []) == (reading.highest_step, consumer.late)
    consumer.close()
