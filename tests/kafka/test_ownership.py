"""Who owns a shard, and that nobody else can publish for it: on real brokers only."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from prometheus_client import CollectorRegistry

from reservation_worker.adapters.kafka.configuration import (
    SHARDS_GROUP_SUFFIX,
    KafkaConfig,
    Rebalancing,
)
from reservation_worker.adapters.kafka.membership import MembershipCapture
from reservation_worker.adapters.kafka.positions import position_text
from reservation_worker.adapters.kafka.shard_group import KafkaShardGroup, ShardsTopic
from reservation_worker.adapters.kafka.transactions import KafkaTransactions, TransactionsParts
from reservation_worker.ports import (
    BrokerUnavailable,
    CommitFateUnknown,
    FatallyBroken,
    Membership,
    OwnershipLost,
    Position,
)
from reservation_worker.telemetry.metrics import Metrics
from tests.clocks import MachineClock
from tests.integration.topic_changes import Operator
from tests.kafka.shop_topics import SHARDS_TOTAL, ShopTopics
from tests.kafka.worker_parts import turn_until

ALL_SHARDS = frozenset(range(SHARDS_TOTAL))
SLEEP_LIMIT_MS = 6_000
POSITION = Position(minted=11, served=7, step=42, shards_total=SHARDS_TOTAL)


class Owner:
    """One member of the group of shards, with its producer."""

    def __init__(self, topics: ShopTopics, config: KafkaConfig) -> None:
        self.group = KafkaShardGroup(
            config,
            ShardsTopic(topics.layout.shards, SHARDS_TOTAL),
            MachineClock(),
            Metrics(CollectorRegistry()),
        )
        self.transactions = KafkaTransactions(
            config,
            TransactionsParts(topics.layout.shards, topics.output_names, MachineClock()),
        )
        self.shards: frozenset[int] = frozenset()
        self.membership: Membership | None = None

    def poll(self) -> None:
        """Look at what is owned."""
        owned = self.group.poll()
        self.shards = frozenset(owned.tenures)
        self.membership = owned.membership

    def mint(self, shard: int, position: Position = POSITION) -> None:
        """Write a position in the membership that was captured last."""
        assert self.membership is not None
        self.transactions.commit((), {shard: position}, self.membership)

    def close(self) -> None:
        """Leave the group."""
        self.group.close()
        self.transactions.close()


@pytest.fixture
def start(topics: ShopTopics, config: KafkaConfig) -> Iterator[Callable[..., Owner]]:
    """Start owners that are closed when the test ends."""
    owners: list[Owner] = []

    def start_one(slot: str, rebalancing: Rebalancing = Rebalancing.COOPERATIVE) -> Owner:
        changed = replace(
            config,
            worker_slot=slot,
            rebalancing=rebalancing,
            max_poll_interval_ms=SLEEP_LIMIT_MS,
            request_timeout_ms=2_000,
        )
        owners.append(Owner(topics, changed))
        return owners[-1]

    yield start_one
    for owner in owners:
        owner.close()


def poll_until(condition: Callable[[], bool], what: str, *owners: Owner) -> None:
    """Let owners poll until a condition holds."""

    def turn() -> None:
        for owner in owners:
            owner.poll()

    turn_until(turn, condition, what)


@contextmanager
def open_transaction(topics: ShopTopics, owner: Owner) -> Iterator[Producer]:
    """Have a transaction of an owner open, positions sent and not committed."""
    assert owner.membership is not None
    producer = Producer(
        {"bootstrap.servers": topics.config.bootstrap_servers, "transactional.id": topics.name("x")}
    )
    producer.init_transactions()
    producer.begin_transaction()
    producer.send_offsets_to_transaction(
        [TopicPartition(topics.layout.shards, 0, 0, position_text(POSITION))],
        owner.membership.token,
    )
    yield producer


def test_a_position_is_read_as_it_was_committed(start: Callable[..., Owner]) -> None:
    """It is all that a successor knows of what is published."""
    owner = start("first")
    poll_until(lambda: owner.shards == ALL_SHARDS, "all shards are owned", owner)
    assert {0: None, 1: None} == owner.group.positions((0, 1))
    owner.mint(1)
    assert {0: None, 1: POSITION} == owner.group.positions((0, 1))


def test_a_position_that_an_operator_has_reset_is_none(
    start: Callable[..., Owner], topics: ShopTopics, config: KafkaConfig
) -> None:
    """`kafka-consumer-groups --reset-offsets` leaves no metadata: it says nothing of steps."""
    group_id = config.group_id + SHARDS_GROUP_SUFFIX
    asking = Consumer({"bootstrap.servers": config.bootstrap_servers, "group.id": group_id})
    asking.commit(offsets=[TopicPartition(topics.layout.shards, 0, 0)], asynchronous=False)
    asking.close()
    assert {0: None} == start("first").group.positions((0,))


def test_partitions_beyond_the_number_of_shards_are_left_alone(
    start: Callable[..., Owner], topics: ShopTopics, config: KafkaConfig
) -> None:
    """Somebody has added them: they are assigned, and stand for nothing."""
    Operator(config.bootstrap_servers).add_partitions([topics.layout.shards], SHARDS_TOTAL + 2)
    owner = start("first")
    consumer = owner.group._consumer  # noqa: SLF001
    poll_until(
        lambda: len(consumer.assignment()) == SHARDS_TOTAL + 2,
        "all partitions are assigned",
        owner,
    )
    owner.poll()
    assert owner.shards == ALL_SHARDS


def test_a_position_of_a_newer_release_is_refused(
    start: Callable[..., Owner], topics: ShopTopics
) -> None:
    """Guessing what it means could publish a step twice."""
    owner = start("first")
    poll_until(lambda: owner.shards == ALL_SHARDS, "all shards are owned", owner)
    assert owner.membership is not None
    producer = Producer(
        {"bootstrap.servers": topics.config.bootstrap_servers, "transactional.id": topics.name("x")}
    )
    producer.init_transactions()
    producer.begin_transaction()
    producer.send_offsets_to_transaction(
        [TopicPartition(topics.layout.shards, 0, 0, "v2;epoch=1")], owner.membership.token
    )
    producer.commit_transaction()
    with pytest.raises(FatallyBroken, match="newer release"):
        owner.group.positions((0,))


def test_positions_wait_for_the_open_transaction_of_the_former_owner(
    start: Callable[..., Owner], topics: ShopTopics
) -> None:
    """Its changes may still become published: going on from the older position repeats them."""
    owner = start("first")
    poll_until(lambda: owner.shards == ALL_SHARDS, "all shards are owned", owner)
    with open_transaction(topics, owner) as producer:
        with pytest.raises(BrokerUnavailable):
            owner.group.positions((0,))
        producer.commit_transaction()
    assert {0: POSITION} == owner.group.positions((0,))


def test_an_aborted_position_never_was(start: Callable[..., Owner], topics: ShopTopics) -> None:
    """What an aborted transaction wrote never happened."""
    owner = start("first")
    poll_until(lambda: owner.shards == ALL_SHARDS, "all shards are owned", owner)
    with open_transaction(topics, owner) as producer:
        producer.abort_transaction()
    assert {0: None} == owner.group.positions((0,))


def test_an_owner_that_shares_with_another_cannot_use_its_older_membership(
    start: Callable[..., Owner], each_rebalancing: Rebalancing
) -> None:
    """It was captured with shards that are somebody else's now."""
    first = start("first", each_rebalancing)
    poll_until(lambda: first.shards == ALL_SHARDS, "all shards are owned", first)
    captured = first.membership
    second = start("second", each_rebalancing)
    poll_until(
        lambda: len(first.shards) == 1 and first.shards | second.shards == ALL_SHARDS,
        "the shards are shared",
        first,
        second,
    )
    first.membership = captured
    (moved,) = second.shards
    with pytest.raises(OwnershipLost):
        first.mint(moved)
    poll_until(lambda: first.membership is not captured, "the membership is new", first, second)
    (kept,) = first.shards
    first.mint(kept)
    second.mint(moved)


def test_a_former_owner_that_wakes_up_is_refused(
    start: Callable[..., Owner], each_rebalancing: Rebalancing
) -> None:
    """It has not polled since, so it has heard of nothing; the brokers know better."""
    sleeper = start("first", each_rebalancing)
    poll_until(lambda: sleeper.shards == ALL_SHARDS, "all shards are owned", sleeper)
    sleeper.mint(0)
    heir = start("second", each_rebalancing)
    poll_until(lambda: heir.shards == ALL_SHARDS, "the heir owns all shards", heir)
    assert {0: POSITION} == heir.group.positions((0,))
    with pytest.raises(OwnershipLost):
        sleeper.mint(0, replace(POSITION, minted=12))
    assert {0: POSITION} == heir.group.positions((0,))
    heir.mint(0, replace(POSITION, minted=13))


def test_nobody_is_a_member_before_the_group_is_joined(
    start: Callable[..., Owner],
) -> None:
    """An empty member id is checked against nothing: the brokers would let it pass."""
    owner = start("first")
    assert MembershipCapture(owner.group._consumer, MachineClock()).current() is None  # noqa: SLF001


def test_a_fenced_producer_is_replaced_and_tells_so(start: Callable[..., Owner]) -> None:
    """Another process ended the transaction under its name: only Kafka knows how."""
    owner = start("one")
    poll_until(lambda: owner.shards == ALL_SHARDS, "all shards are owned", owner)
    owner.mint(0)
    owner.transactions.end_of(owner.transactions.producer)
    with pytest.raises(CommitFateUnknown):
        owner.mint(0, replace(POSITION, minted=12))
    assert {0: POSITION} == owner.group.positions((0,))
    owner.mint(0, replace(POSITION, minted=13))
