"""Offsets are committed as who read the records, on the word of who knows what is published."""

from reservation_worker.adapters.in_memory.broker import Fault
from reservation_worker.apply.batches import Batch, InFlight, Published
from reservation_worker.contracts.inputs import FactKind
from reservation_worker.domain.keys import shard_of
from reservation_worker.ports import Membership
from tests.loops.assembly import Loops
from tests.loops.small_shop import SHARDS_TOTAL, SmallShop

PARTITION = ("order-completed", 0)
ORDERS = ("order-completed", 1)
TURNS = 30
DEAD_LETTERS_MAX = 10


def order(order_id: str) -> dict[str, object]:
    """Return an order of two pairs of boots."""
    line = {"line_id": "1", "warehouse_id": "main", "sku": "boots", "quantity": 2}
    completed_at = "2026-01-01T00:00:00Z"
    return {
        "account": "acme", "order_id": order_id, "completed_at": completed_at, "lines": [line]
    }  # fmt: skip


def turn_apply(shop: SmallShop, worker: Loops) -> None:
    """Let a worker read, apply and commit for long, while nobody publishes."""
    for _ in range(TURNS):
        worker.apply.turn()
        shop.clock.advance(shop.apply_config.commit_interval_ms)


def test_several_batches_are_committed_as_the_member_that_read_the_first() -> None:
    """The membership of a later batch may be that of a group in which the partition has moved."""
    flight = InFlight()
    for number in (1, 2, 3):
        flight.add(Batch({PARTITION: number}, Membership("member", number), 1))
    committable = flight.committable(Published(), DEAD_LETTERS_MAX)
    assert committable is not None
    assert (3, {PARTITION: 3}) == (committable.batches_total, committable.offsets)
    assert Membership("member", 1) == committable.membership


def test_what_was_published_in_an_earlier_epoch_says_nothing_of_a_later_one() -> None:
    """Redis has lost steps: the new epoch's step of the same number is another one."""
    known = Published()
    known.learn(shard=0, epoch=1, step=9)
    known.learn(shard=0, epoch=2, step=5)
    assert known.covers(0, 2, 5)
    assert not known.covers(0, 2, 6)
    assert not known.covers(0, 1, 5)


def test_a_repeat_waits_until_what_it_repeats_is_published() -> None:
    """Redis may still lose it, and the record that is read again then is this one."""
    shop = SmallShop()
    first, second = shop.start(), shop.start()
    shop.count("boots", 5)
    shop.finish(first, second)
    shop.send(FactKind.ORDER_COMPLETED, order("A"), partition=0)
    shop.send(FactKind.ORDER_COMPLETED, order("A"), partition=1)
    turn_apply(shop, first)
    turn_apply(shop, second)
    repeats = {"fact": "order_completed", "outcome": "repeat"}
    registry = second.metrics.registry
    assert 1 == registry.get_sample_value("reservation_facts_total", repeats)
    assert 0 == shop.broker.committed[ORDERS]
    shop.finish(first, second)
    assert 1 == shop.broker.committed[ORDERS]


def test_nothing_is_committed_on_the_word_of_a_server_that_nobody_has_verified() -> None:
    """It may be a former primary, or a copy of one: what it calls published proves nothing."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 5)
    shop.finish(worker)
    shop.send(FactKind.ORDER_COMPLETED, order("A"), partition=1)
    for _ in range(2):
        worker.apply.turn()
    for _ in range(3):
        shop.clock.advance(shop.apply_config.commit_interval_ms)
        worker.owner.turn()
    shard = shard_of("acme", SHARDS_TOTAL)
    assert 2 == shop.store.inspect(shard).published
    assert {"acme/A": "Authorized"} == shop.statuses()
    shop.store.become("server-2/history-1")
    turn_apply(shop, worker)
    assert 0 == shop.broker.committed[ORDERS]
    shop.finish(worker)
    assert 1 == shop.broker.committed[ORDERS]


def test_a_dead_letter_whose_commit_has_an_unknown_fate_is_not_written_again() -> None:
    """Only the committed offsets tell whether it was written; trying again would write a second."""
    shop = SmallShop()
    worker = shop.start()
    shop.finish(worker)
    shop.send(FactKind.ORDER_COMPLETED, b"not JSON", partition=1)
    shop.broker.faults.append(Fault.LOST_AFTER_COMMIT)
    turn_apply(shop, worker)
    assert 1 == len(shop.broker.dead_letters)
    shop.send(FactKind.ORDER_COMPLETED, b"not JSON either", partition=1)
    shop.broker.faults.append(Fault.LOST_BEFORE_COMMIT)
    turn_apply(shop, worker)
    assert 2 == len(shop.broker.dead_letters)
    assert 2 == shop.broker.committed[ORDERS]
