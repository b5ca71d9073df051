"""Both loops on a real Kafka: what strangers write comes out as strangers read it."""

from dataclasses import replace

from reservation_worker.adapters.in_memory.store import InMemoryStore
from reservation_worker.adapters.kafka.configuration import KafkaConfig, Rebalancing
from tests.clocks import MachineClock
from tests.kafka.shop_topics import SHARDS_TOTAL, ShopTopics
from tests.kafka.worker_parts import KafkaWorker, turn_until


def test_an_order_that_is_paid_comes_out_as_two_changes_in_order(
    config: KafkaConfig, topics: ShopTopics
) -> None:
    """The whole way: input topics, steps, outbox, one transaction, committed offsets."""
    worker = KafkaWorker(topics, config, InMemoryStore(MachineClock()))
    topics.count("boots", 5)
    topics.flush()
    worker.turn_until(lambda: len(topics.read("stock-changed")) == 1, "the stock is published")
    topics.order("A", "boots", 2)
    topics.pay("A")
    topics.send("order-completed", b"not JSON")
    topics.flush()
    worker.turn_until(
        lambda: len(topics.read("reservation-changed")) == 2, "both changes are published"
    )
    worker.drain()
    changes = [event.body for event in topics.read("reservation-changed")]
    assert [1, 2] == [change["version"] for change in changes]
    assert changes[-1]["status"] == "Confirmed"
    assert len(topics.read("reservation-dead-letter")) == 1


def test_workers_that_come_and_go_publish_every_change_once(
    config: KafkaConfig, topics: ShopTopics, each_rebalancing: Rebalancing
) -> None:
    """A rebalance takes partitions and shards away in the middle of everything."""
    store = InMemoryStore(MachineClock())
    first = KafkaWorker(topics, replace(config, rebalancing=each_rebalancing), store)
    accounts = ("acme", "other", "third")
    for account in accounts:
        topics.count("boots", 1_000, account)
    topics.flush()
    first.turn_until(lambda: len(topics.read("stock-changed")) == 3, "the stocks are published")
    send_orders(topics, accounts, range(20))
    second = KafkaWorker(
        topics, replace(config, rebalancing=each_rebalancing, worker_slot="second"), store
    )
    send_orders(topics, accounts, range(20, 40))

    def turn_both() -> None:
        first.turn()
        second.turn()

    turn_until(
        turn_both,
        lambda: (
            second.loops.owner.status.owned_shards == 1
            and first.loops.owner.status.owned_shards == 1
        ),
        "the shards are shared",
    )
    send_orders(topics, accounts, range(40, 60))
    turn_until(turn_both, lambda: count_changes(topics) >= 180, "all orders are published")
    first.close()
    send_orders(topics, accounts, range(60, 70))
    second.turn_until(lambda: count_changes(topics) >= 210, "the last ones are published")
    second.drain()
    changes = topics.read("reservation-changed")
    assert len({event.key for event in changes}) == len(changes) == 210
    assert {"Authorized"} == {event.body["status"] for event in changes}


def test_a_worker_whose_process_slept_takes_its_shards_over_again(
    config: KafkaConfig, topics: ShopTopics
) -> None:
    """Its membership is gone when it wakes up; it must find that out, and go on as a new one."""
    config = replace(config, max_poll_interval_ms=6_000)
    store = InMemoryStore(MachineClock())
    sleeper = KafkaWorker(topics, config, store)
    topics.count("boots", 10)
    topics.flush()
    sleeper.turn_until(lambda: bool(topics.read("stock-changed")), "the stock is published")
    heir = KafkaWorker(topics, replace(config, worker_slot="heir"), store)
    heir.turn_until(
        lambda: heir.loops.owner.status.owned_shards == SHARDS_TOTAL, "the heir owns all shards"
    )
    topics.order("A", "boots", 1)
    topics.flush()
    heir.turn_until(lambda: count_changes(topics) == 1, "the order is published")
    heir.close()
    topics.order("B", "boots", 1)
    topics.flush()
    sleeper.turn_until(lambda: count_changes(topics) >= 2, "the sleeper goes on")
    sleeper.drain()
    assert [b"acme/A", b"acme/B"] == [event.key for event in topics.read("reservation-changed")]


def send_orders(topics: ShopTopics, accounts: tuple[str, ...], numbers: range) -> None:
    """Write one order of one unit per account and number."""
    for number in numbers:
        for account in accounts:
            topics.order(f"A{number}", "boots", 1, account)
    topics.flush()


def count_changes(topics: ShopTopics) -> int:
    """Return how many changes of reservations are published."""
    return len(topics.read("reservation-changed"))
