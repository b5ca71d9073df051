"""Reading the input topics as a member of a group, and committing them."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from confluent_kafka import Producer
from prometheus_client import CollectorRegistry

from reservation_worker.adapters.kafka.configuration import (
    METADATA_REFRESH_INTERVAL_MS,
    KafkaConfig,
    Rebalancing,
)
from reservation_worker.adapters.kafka.input_log import InputLogParts, KafkaInputLog
from reservation_worker.adapters.kafka.payment_offsets import KafkaPaymentOffsets
from reservation_worker.contracts.records import DeadLetter, Record
from reservation_worker.ports import FatallyBroken, Membership, OwnershipLost, Partition
from reservation_worker.telemetry.metrics import Metrics
from tests.clocks import MachineClock
from tests.integration.topic_changes import Operator
from tests.kafka.shop_topics import ShopTopics
from tests.kafka.worker_parts import turn_until

RECORDS_MAX = 100
DEAD = DeadLetter(b"key", b"value", (("reason", b"text"),))


class Reader:
    """One member of the apply group, and all that it was told."""

    def __init__(self, topics: ShopTopics, config: KafkaConfig) -> None:
        self.topics = topics
        self.log = KafkaInputLog(
            config,
            InputLogParts(
                topics.layout.inputs,
                topics.layout.dead_letter,
                MachineClock(),
                Metrics(CollectorRegistry()),
            ),
        )
        self.values: list[bytes | None] = []
        self.ends: dict[Partition, int] = {}
        self.membership: Membership | None = None
        self.interruptions = 0

    def poll(self) -> None:
        """Poll once and remember what came."""
        polled = self.log.poll(20, RECORDS_MAX)
        for partition in polled.revoked:
            self.ends.pop(partition, None)
        self.values.extend(record.value for record in polled.records)
        self.ends.update(polled.read_up_to)
        self.membership = polled.membership
        self.interruptions += polled.interrupted

    def end_of(self, stem: str) -> int | None:
        """Return how far a topic's first partition was read."""
        return self.ends.get((self.topics.name(stem), 0))

    def poll_until(self, condition: Callable[[], bool], what: str) -> None:
        """Poll until a condition holds."""
        turn_until(self.poll, condition, what)


@pytest.fixture
def start(topics: ShopTopics, config: KafkaConfig) -> Iterator[Callable[..., Reader]]:
    """Start readers that are closed when the test ends."""
    readers: list[Reader] = []

    def start_one(
        slot: str = "first",
        rebalancing: Rebalancing = Rebalancing.COOPERATIVE,
        metadata_refresh_interval_ms: int = METADATA_REFRESH_INTERVAL_MS,
    ) -> Reader:
        changed = replace(
            config,
            worker_slot=slot,
            rebalancing=rebalancing,
            metadata_refresh_interval_ms=metadata_refresh_interval_ms,
        )
        readers.append(Reader(topics, changed))
        return readers[-1]

    yield start_one
    for reader in readers:
        reader.log.close()


def send_in_transaction(topics: ShopTopics, stem: str, *values: bytes, commit: bool) -> Producer:
    """Write records in a transaction, and leave it open if it is not to be committed."""
    producer = Producer(
        {"bootstrap.servers": topics.config.bootstrap_servers, "transactional.id": topics.name("t")}
    )
    producer.init_transactions()
    producer.begin_transaction()
    for value in values:
        producer.produce(topics.name(stem), value, partition=0)
    producer.flush()
    if commit:
        producer.commit_transaction()
    return producer


def test_the_end_of_a_partition_lies_behind_its_control_record(
    start: Callable[..., Reader], topics: ShopTopics, config: KafkaConfig
) -> None:
    """Otherwise the payment frontier would wait for ever for an offset that holds no record."""
    send_in_transaction(topics, "payment-approved", b"1", b"2", commit=True)
    reader = start()
    reader.poll_until(lambda: reader.end_of("payment-approved") == 3, "the end is told")
    assert [b"1", b"2"] == reader.values
    reader.log.commit(reader.ends, (), reader.membership)
    payments = KafkaPaymentOffsets(config, topics.name("payment-approved"))
    assert {0: 3} == payments.ends().offsets
    assert {0: 3} == payments.committed_offsets(payments.ends().topic_id)


def test_an_open_transaction_ends_what_is_read_but_not_what_is_asked_for(
    start: Callable[..., Reader], topics: ShopTopics, config: KafkaConfig
) -> None:
    """A payment in it was made in time: nothing may expire before it is committed or aborted."""
    producer = send_in_transaction(topics, "payment-approved", b"1", commit=False)
    reader = start()
    reader.poll_until(lambda: reader.end_of("payment-approved") == 0, "the stable end is told")
    payments = KafkaPaymentOffsets(config, topics.name("payment-approved"))
    assert {0: 1} == payments.ends().offsets
    assert {} == payments.committed_offsets(payments.ends().topic_id)
    producer.commit_transaction()
    reader.poll_until(lambda: reader.end_of("payment-approved") == 2, "the new end is told")
    assert [b"1"] == reader.values


def test_an_empty_partition_tells_its_end(start: Callable[..., Reader]) -> None:
    """Nobody knows that it is empty before it is read."""
    reader = start()
    reader.poll_until(lambda: len(reader.ends) == 5, "all ends are told")
    assert set(reader.ends.values()) == {0}


def test_what_is_not_committed_is_read_again_after_seeking(
    start: Callable[..., Reader], topics: ShopTopics
) -> None:
    """A new epoch makes every reader do so."""
    for value in (b"1", b"2", b"3"):
        topics.send("order-completed", value)
    topics.flush()
    reader = start()
    reader.poll_until(lambda: len(reader.values) == 3, "everything is read")
    reader.log.commit({(topics.name("order-completed"), 0): 1}, (), reader.membership)
    reader.values.clear()
    reader.log.seek_to_committed()
    reader.poll_until(lambda: len(reader.values) == 2, "the uncommitted is read again")
    assert [b"2", b"3"] == reader.values


def test_nothing_is_read_while_paused_also_from_newly_assigned_partitions(
    start: Callable[..., Reader], topics: ShopTopics
) -> None:
    """An outage may begin before the group is joined."""
    topics.send("order-completed", b"1")
    topics.flush()
    reader = start()
    reader.log.set_paused(frozenset(topics.layout.inputs))
    reader.poll_until(lambda: len(reader.log.held()) == 5, "partitions are assigned")
    for _ in range(20):
        reader.poll()
    assert [] == reader.values
    reader.log.set_paused(frozenset())
    reader.poll_until(lambda: [b"1"] == reader.values, "the record is read")


def test_dead_letters_and_offsets_are_committed_together(
    start: Callable[..., Reader], topics: ShopTopics, config: KafkaConfig
) -> None:
    """Either without the other would lose a record or count it twice."""
    topics.send("payment-approved", b"bad")
    topics.flush()
    reader = start()
    reader.poll_until(lambda: reader.end_of("payment-approved") == 1, "the record is read")
    reader.log.commit({(topics.name("payment-approved"), 0): 1}, [DEAD], reader.membership)
    (dead_letter,) = topics.read("reservation-dead-letter")
    assert (b"key", b"value") == (dead_letter.key, dead_letter.value)
    payments = KafkaPaymentOffsets(config, topics.name("payment-approved"))
    assert {0: 1} == payments.committed_offsets(payments.ends().topic_id)


def test_dead_letters_of_an_older_membership_are_refused(
    start: Callable[..., Reader], topics: ShopTopics, each_rebalancing: Rebalancing
) -> None:
    """Another member may have read, and written, the same ones since."""
    first = start("first", each_rebalancing)
    first.poll_until(lambda: len(first.log.held()) == 5, "partitions are assigned")
    first.poll()
    captured = first.membership
    second = start("second", each_rebalancing)

    def turn() -> None:
        first.poll()
        second.poll()

    turn_until(
        turn,
        lambda: (
            bool(second.log.held())
            and bool(first.log.held())
            and len(first.log.held() | second.log.held()) == 5
            and len(first.log.held()) + len(second.log.held()) == 5
        ),
        "the partitions are shared",
    )
    with pytest.raises(OwnershipLost):
        first.log.commit({min(second.log.held()): 0}, [DEAD], captured)
    assert [] == topics.read("reservation-dead-letter")
    turn()
    first.log.commit({min(first.log.held()): 0}, [DEAD], first.membership)
    assert len(topics.read("reservation-dead-letter")) == 1


def test_a_committed_offset_out_of_range_stops_the_reader(
    start: Callable[..., Reader], topics: ShopTopics
) -> None:
    """Beginning anywhere else would skip records in silence."""
    reader = start()
    reader.poll_until(lambda: len(reader.ends) == 5, "all ends are told")
    reader.log.commit({(topics.name("order-completed"), 0): 1_000}, (), reader.membership)
    reader.log.seek_to_committed()
    with pytest.raises(FatallyBroken, match="not in the partition"):
        reader.poll_until(lambda: False, "the reader stops")


def test_a_partition_that_is_added_is_read_after_the_next_refresh(
    start: Callable[..., Reader], topics: ShopTopics, config: KafkaConfig
) -> None:
    """Nothing expires until its payments are: the client's own five minutes would be too long."""
    reader = start(metadata_refresh_interval_ms=500)
    reader.poll_until(lambda: len(reader.ends) == 5, "all ends are told")
    payments = topics.name("payment-approved")
    Operator(config.bootstrap_servers).add_partitions([payments], 2)
    turn_until(
        reader.poll,
        lambda: reader.ends.get((payments, 1)) == 0,
        "the new partition is read",
        timeout_ms=60_000,
    )


def test_headers_and_timestamps_are_read_as_they_were_written(
    start: Callable[..., Reader], topics: ShopTopics, config: KafkaConfig
) -> None:
    """Dead letters copy them byte for byte."""
    producer = Producer({"bootstrap.servers": config.bootstrap_servers})
    producer.produce(
        topics.name("order-completed"),
        b"value",
        key=b"key",
        timestamp=1_700_000_000_123,
        headers=[("a", b"\xff"), ("a", None), ("b", b"")],
    )
    producer.flush()
    reader = start()
    records: list[Record] = []

    def poll() -> None:
        records.extend(reader.log.poll(20, RECORDS_MAX).records)

    turn_until(poll, lambda: len(records) == 1, "the record is read")
    (record,) = records
    assert record.timestamp_ms == 1_700_000_000_123
    assert (("a", b"\xff"), ("a", None), ("b", b"")) == record.headers


def test_what_is_put_back_is_read_again_once_its_topic_is_read_again(
    start: Callable[..., Reader], topics: ShopTopics
) -> None:
    """Orders wait for counts: paused and put back, neither lost nor read while they wait."""
    for number in range(5):
        topics.send("order-completed", f"order {number}".encode())
    topics.flush()
    reader = start()
    reader.poll_until(lambda: reader.end_of("order-completed") == 5, "the orders are read")
    orders = (topics.name("order-completed"), 0)
    reader.log.set_paused(frozenset(topics.layout.inputs) - {topics.name("inventory-updated")})
    reader.log.seek({orders: 2})
    reader.values.clear()
    topics.send("order-completed", b"order 5")
    topics.send("inventory-updated", b"count")
    topics.flush()
    reader.poll_until(lambda: bool(reader.values), "the count is read")
    for _ in range(10):
        reader.poll()
    assert [b"count"] == reader.values
    reader.log.set_paused(frozenset())
    reader.poll_until(lambda: reader.end_of("order-completed") == 6, "the orders are read again")
    assert [b"count", *(f"order {number}".encode() for number in range(2, 6))] == reader.values


def test_every_rebalance_is_told_even_one_that_changes_nothing_here(
    start: Callable[..., Reader], topics: ShopTopics, each_rebalancing: Rebalancing
) -> None:
    """Who held the counts may be gone: what it had not applied is waited for."""
    reader = start(rebalancing=each_rebalancing)
    reader.poll_until(lambda: len(reader.log.held()) == len(topics.layout.inputs), "it holds all")
    assert reader.interruptions >= 1
    reader.poll()
    before = reader.interruptions
    for _ in range(5):
        reader.poll()
    assert before == reader.interruptions
    second = start("second", each_rebalancing)

    def both() -> None:
        reader.poll()
        second.poll()

    turn_until(both, lambda: bool(second.log.held()), "the second one holds some")
    assert reader.interruptions > before
