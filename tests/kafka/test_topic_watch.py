"""Topics that void a guarantee: nothing is published or committed until they are mended."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from reservation_worker.adapters.kafka.configuration import KafkaConfig
from reservation_worker.adapters.kafka.input_log import InputLogParts, KafkaInputLog
from reservation_worker.adapters.kafka.topic_watch import TopicWatch
from reservation_worker.adapters.kafka.topics import TopicAdmin
from reservation_worker.adapters.kafka.transactions import KafkaTransactions, TransactionsParts
from reservation_worker.contracts.records import DeadLetter
from reservation_worker.ports import BrokerUnavailable, FatallyBroken, Membership, Position
from reservation_worker.telemetry.labels import LostReason
from reservation_worker.telemetry.metrics import Metrics
from tests.clocks import MachineClock
from tests.integration.topic_changes import Operator
from tests.kafka.shop_topics import SHARDS_TOTAL, ShopTopics
from tests.kafka.test_input_log import DEAD

RESERVATIONS = "reservation-changed"
ORDERS = "order-completed"
NOBODY = Membership("nobody", None)


@pytest.fixture
def watch(topics: ShopTopics, config: KafkaConfig) -> TopicWatch:
    """Return a watch that has seen nothing yet."""
    return TopicWatch(config, topics.layout, Metrics(CollectorRegistry()))


@pytest.fixture
def operator(config: KafkaConfig) -> Operator:
    """Return somebody who changes topics."""
    return Operator(config.bootstrap_servers)


@pytest.fixture
def log_of(topics: ShopTopics, config: KafkaConfig) -> Iterator[Callable[..., KafkaInputLog]]:
    """Build readers that ask before they commit; each is closed when the test ends."""
    logs: list[KafkaInputLog] = []

    def build(refuse_unsafe: Callable[[], None]) -> KafkaInputLog:
        parts = InputLogParts(
            topics.layout.inputs,
            topics.layout.dead_letter,
            MachineClock(),
            Metrics(CollectorRegistry()),
            refuse_unsafe=refuse_unsafe,
        )
        logs.append(KafkaInputLog(config, parts))
        return logs[-1]

    yield build
    for log in logs:
        log.close()


def refused(watch: TopicWatch) -> BrokerUnavailable:
    """Return why nothing may be published or committed."""
    with pytest.raises(BrokerUnavailable) as caught:
        watch.refuse_unsafe()
    return caught.value


def test_nothing_is_safe_before_the_first_look(watch: TopicWatch) -> None:
    """Whoever has seen nothing knows nothing."""
    assert "not been seen yet" in str(refused(watch))
    watch.look()
    watch.refuse_unsafe()
    assert watch.problems() == ()


@pytest.mark.parametrize("policy", ["delete", "compact,delete"])
def test_a_topic_that_deletes_by_time_is_unsafe_until_it_is_compacted_alone(
    watch: TopicWatch, operator: Operator, topics: ShopTopics, config: KafkaConfig, policy: str
) -> None:
    """Compacted *and* deleted as well: what a shard is restored from must not go with time."""
    name = topics.name(RESERVATIONS)
    operator.set_up(name, {"cleanup.policy": policy})
    watch.look()
    error = refused(watch)
    assert (LostReason.NOT_AS_NEEDED, True) == (error.reason, name in str(error))
    with pytest.raises(FatallyBroken, match=f"cleanup.policy {policy}, but"):
        TopicAdmin(config).check(topics.layout)
    operator.set_up(name, {"cleanup.policy": "compact"})
    watch.look()
    watch.refuse_unsafe()


def test_an_output_topic_that_is_created_anew_is_unsafe_for_who_wrote_to_the_old_one(
    watch: TopicWatch, operator: Operator, topics: ShopTopics, config: KafkaConfig
) -> None:
    """Its history is gone; who starts afterwards has been told to accept it."""
    watch.look()
    name = topics.name(RESERVATIONS)
    operator.create_anew(name, SHARDS_TOTAL, ())
    operator.set_up(name, {"cleanup.policy": "compact"})
    watch.look()
    assert f"{name} was deleted and created anew" in str(refused(watch))
    later = TopicWatch(config, topics.layout, Metrics(CollectorRegistry()))
    later.look()
    later.refuse_unsafe()


def test_nothing_is_published_while_it_is_unsafe(
    watch: TopicWatch, topics: ShopTopics, config: KafkaConfig
) -> None:
    """Neither records nor positions: the brokers are not even asked."""
    parts = TransactionsParts(
        topics.layout.shards,
        topics.output_names,
        MachineClock(),
        refuse_unsafe=watch.refuse_unsafe,
    )
    transactions = KafkaTransactions(config, parts)
    with pytest.raises(BrokerUnavailable, match="not been seen yet"):
        transactions.commit((), {0: Position(1, 0, 0, SHARDS_TOTAL)}, NOBODY)
    transactions.close()


@pytest.mark.parametrize("letters", [(), (DEAD,)], ids=["offsets_alone", "with_dead_letters"])
def test_nothing_is_committed_while_it_is_unsafe(
    watch: TopicWatch,
    topics: ShopTopics,
    log_of: Callable[..., KafkaInputLog],
    letters: tuple[DeadLetter, ...],
) -> None:
    """What is not committed is read again: nothing is lost by waiting."""
    log = log_of(watch.refuse_unsafe)
    with pytest.raises(BrokerUnavailable, match="not been seen yet"):
        log.commit({(topics.name(ORDERS), 0): 0}, letters, NOBODY)


def test_more_partitions_than_shards_are_told_and_stop_nothing(
    watch: TopicWatch, operator: Operator, topics: ShopTopics
) -> None:
    """Kafka cannot take them away again."""
    name = topics.name(RESERVATIONS)
    operator.add_partitions([name], SHARDS_TOTAL + 1)
    watch.look()
    watch.refuse_unsafe()
    assert watch.problems() == ()


def test_fewer_partitions_than_shards_are_unsafe(topics: ShopTopics, config: KafkaConfig) -> None:
    """An account's shard would have no partition."""
    layout = replace(topics.layout, shards_total=SHARDS_TOTAL + 1)
    watch = TopicWatch(config, layout, Metrics(CollectorRegistry()))
    watch.look()
    assert "can never change" in str(refused(watch))
