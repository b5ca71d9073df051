"""Nothing that can be refused stock is applied before the counts that were there."""

from collections.abc import Callable

import pytest

from reservation_worker.adapters.in_memory.broker import Fault
from reservation_worker.adapters.in_memory.log import InMemoryCountOffsets
from reservation_worker.adapters.in_memory.shard import InMemoryStoreConfig
from reservation_worker.adapters.in_memory.store import InMemoryStore
from reservation_worker.contracts.inputs import FactKind
from reservation_worker.ports import BrokerUnavailable, CountOffsets, CountsAnswer, CountsQuestion
from tests.loops.assembly import Loops
from tests.loops.small_shop import SmallShop

ORDERS = 12
COUNTS = [(FactKind.INVENTORY_UPDATED.value, number) for number in range(2)]
ANSWER_LOOKS = 7
"""So often is a slow answer looked for in vain."""


class SlowCounts:
    """Answers late what was so when it was asked; silent at will."""

    def __init__(self, counts: CountOffsets) -> None:
        self._counts = counts
        self.is_silent = False

    def ask(self) -> CountsQuestion:
        """Ask now."""
        return _SlowAnswer(self, self._counts.ask())


class _SlowAnswer:
    def __init__(self, counts: SlowCounts, question: CountsQuestion) -> None:
        self._counts = counts
        self._question = question
        self._looks_left = ANSWER_LOOKS

    def answer(self) -> CountsAnswer | None:
        if self._counts.is_silent:
            raise BrokerUnavailable("no broker answers")
        self._looks_left -= 1
        return None if self._looks_left > 0 else self._question.answer()


def fill(shop: SmallShop, name: str = "A", at: str = "00:00", orders: int = ORDERS) -> None:
    """Write counts, the orders that need them, and their payments: in that order, all in time."""
    for number in range(orders):
        shop.count(f"sku-{name}{number}", 2, at=at, partition=number % 2)
    for number in range(orders):
        shop.order(f"{name}{number}", f"sku-{name}{number}")
    for number in range(orders):
        shop.pay(f"{name}{number}")


def assert_all_confirmed(shop: SmallShop, orders: int = ORDERS) -> None:
    """No order was refused, held, and confirmed later: its first change said so."""
    assert {"Confirmed"} == set(shop.statuses().values())
    assert orders == len(shop.statuses())
    assert not [one for changes in shop.changes().values() for one in changes if one["shortages"]]


def share_counts_with_the_first(shop: SmallShop) -> None:
    """Let one of two workers hold all counts and some of the rest, the other one no count."""
    others = sorted(shop.broker.inputs.keys() - set(COUNTS))
    firsts, seconds = [*COUNTS, *others[5:]], others[:5]
    shop.broker.apply_group.partitions = tuple(
        one for pair in zip(firsts, seconds, strict=True) for one in pair
    )


def left(worker: Loops) -> float | None:
    """Return how many counts a worker says it waits for."""
    return worker.metrics.registry.get_sample_value("reservation_counts_first_records_left")


def test_a_first_start_on_a_backlog_refuses_nothing_that_the_counts_allow() -> None:
    """Refusals are final: three thousand orders were once denied for good."""
    shop = SmallShop()
    fill(shop)
    shop.finish(shop.start())
    assert_all_confirmed(shop)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_it_waits_for_an_answer_that_comes_late(workers: int) -> None:
    """Nothing may be decided between the question and its answer."""
    shop = SmallShop()
    shop.counts = SlowCounts(shop.counts)
    fill(shop)
    shop.finish(*[shop.start() for _ in range(workers)])
    assert_all_confirmed(shop)


def test_a_start_after_a_stop_waits_for_the_restock_among_what_waits() -> None:
    """The shop went on while nobody read."""
    shop = SmallShop()
    worker = shop.start()
    shop.finish(worker)
    shop.bury()
    fill(shop)
    shop.finish(shop.start())
    assert_all_confirmed(shop)


def test_an_order_waits_for_counts_that_another_worker_holds() -> None:
    """The one without counts would be far ahead: it has nothing else to do."""
    shop = SmallShop()
    share_counts_with_the_first(shop)
    fill(shop)
    busy, idle = shop.start(), shop.start()
    for _ in range(3):
        shop.turn(busy, idle)
    for _ in range(20):
        # The one that holds the counts is slow.
        idle.apply.turn()
        idle.owner.turn()
        shop.clock.advance(50)
    assert not shop.statuses()
    (problem,) = idle.apply.status.problems
    assert "inventory-updated" in problem
    assert "left in partitions" in problem
    assert left(idle)
    shop.finish(busy, idle)
    assert_all_confirmed(shop)
    assert 0 == left(idle)
    assert not idle.apply.status.problems


def test_the_counts_of_a_worker_that_dies_are_waited_for_all_the_same() -> None:
    """Whoever gets its partitions applies them; the phase begins anew."""
    shop = SmallShop()
    share_counts_with_the_first(shop)
    fill(shop)
    first, second = shop.start(), shop.start()
    for _ in range(4):
        shop.turn(first, second)
    shop.broker.apply_group.leave("worker-1")
    shop.broker.shard_group.leave("worker-1")
    shop.finish(second)
    assert_all_confirmed(shop)


def interrupted_by_a_lost_transaction(shop: SmallShop, worker: Loops) -> None:
    """Nobody knows whether a dead letter was committed: everything is read again."""
    shop.send(FactKind.ORDER_CANCELED, b"not JSON")
    shop.broker.faults.append(Fault.LOST_BEFORE_COMMIT)
    shop.turn_until(lambda: not shop.broker.faults, "the commit is lost", worker)


def interrupted_by_an_outage_of_the_store(shop: SmallShop, worker: Loops) -> None:
    """It is noticed by the first fact, which is an order: the next ones are read before it."""
    shop.store.set_available(available=False)
    fill(shop)
    for _ in range(10):
        worker.apply.turn()
        shop.clock.advance(50)
    shop.store.set_available(available=True)


def interrupted_by_a_new_owner(shop: SmallShop, worker: Loops) -> None:
    """Orders wait for a shard that nobody publishes; its epoch is another one afterwards."""
    shop.lose_everything()
    fill(shop)
    for _ in range(10):
        worker.apply.turn()
        shop.clock.advance(50)


def interrupted_by_a_rebalance(shop: SmallShop, worker: Loops) -> None:
    """A second worker comes, and goes."""
    second = shop.start()
    for _ in range(3):
        shop.turn(worker, second)
    shop.broker.apply_group.leave("worker-2")
    shop.broker.shard_group.leave("worker-2")


@pytest.mark.parametrize(
    "interrupt",
    [
        interrupted_by_a_lost_transaction,
        interrupted_by_an_outage_of_the_store,
        interrupted_by_a_new_owner,
        interrupted_by_a_rebalance,
    ],
)
def test_counts_come_first_after_every_interruption(
    interrupt: Callable[[SmallShop, Loops], None],
) -> None:
    """What was written meanwhile waits together, and which of it is read first is an accident."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("first", 10)
    shop.order("first", "first")
    shop.pay("first")
    shop.finish(worker)
    interrupt(shop, worker)
    if "A0" not in str([record for log in shop.broker.inputs.values() for record in log]):
        fill(shop)
    shop.finish(worker)
    assert_all_confirmed(shop, ORDERS + 1)


def test_a_shard_that_nobody_owned_gets_its_counts_first() -> None:
    """Its orders were read and waited; counts came behind them."""
    shop = SmallShop()
    worker = shop.start()
    shop.turn_until(lambda: not worker.apply.status.problems, "nothing is waited for", worker)
    shop.lose_everything()
    other = SmallShop()
    other.store = InMemoryStore(other.clock)
    late = other.start()
    for _ in range(3):
        late.apply.turn()
    fill(other)
    for _ in range(5):
        late.apply.turn()
        other.clock.advance(50)
    other.finish(late)
    assert_all_confirmed(other)


def test_late_payments_and_invoices_wait_for_the_restock() -> None:
    """They want their units again, and a refusal of that is as final as any."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 4)
    shop.order("paid", "boots", ttl_seconds=1)
    shop.order("invoiced", "boots", ttl_seconds=1)
    shop.turn_until(
        lambda: list(shop.statuses().values()) == ["Expired"] * 2, "both expire", worker
    )
    shop.count("boots", 0, at="00:01")
    shop.finish(worker)
    shop.bury()
    shop.count("boots", 4, at="00:02")
    shop.pay("paid")
    body = {"account": "acme", "order_id": "invoiced", "invoiced_at": "2026-01-01T00:03:00Z"}
    shop.send(FactKind.ORDER_INVOICED, body)
    shop.finish(shop.start())
    assert {"acme/paid": "Confirmed", "acme/invoiced": "Acknowledged"} == shop.statuses()


def test_counts_that_keep_coming_starve_nobody() -> None:
    """What is waited for was sampled once; what comes later comes later."""
    shop = SmallShop()
    fill(shop, orders=2)
    worker = shop.start()
    for number in range(60):
        for some in range(4):
            shop.count(f"other-{number}-{some}", 1, partition=some % 2)
        shop.turn(worker)
    assert_all_confirmed(shop, 2)


def test_steady_traffic_asks_nothing_and_waits_for_nothing() -> None:
    """Latency is as before: no request, and no order held back."""
    shop = SmallShop()
    counts = InMemoryCountOffsets(shop.broker, FactKind.INVENTORY_UPDATED)
    shop.counts = counts
    worker = shop.start()
    shop.count("boots", 1_000)
    shop.finish(worker)
    asked_total = counts.asked_total
    for number in range(30):
        shop.count("hats", number, at=f"00:{number:02}")
        shop.order(f"A{number}", "boots")
        shop.turn(worker)
        assert not worker.apply.status.problems
    shop.finish(worker)
    assert asked_total == counts.asked_total
    assert 30 == len(shop.statuses())


def test_a_rebalance_in_steady_traffic_costs_no_more_than_a_commit() -> None:
    """What was read and not applied is read again; nothing else is done twice."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 1_000)
    shop.finish(worker)
    shop.order("A", "boots")
    shop.count("hats", 1)
    worker.apply.turn()
    shop.broker.apply_group.rebalance()
    began_ms = shop.clock.monotonic_ms()
    shop.turn_until(lambda: "acme/A" in shop.statuses(), "the order is published", worker)
    assert shop.clock.monotonic_ms() - began_ms <= shop.apply_config.commit_interval_ms


def test_a_drain_while_counts_come_first_ends_at_once() -> None:
    """What is held back is not in hand: it is the successor's."""
    shop = SmallShop()
    counts = SlowCounts(shop.counts)
    counts.is_silent = True
    shop.counts = counts
    fill(shop)
    worker = shop.start()
    for _ in range(4):
        shop.turn(worker)
    (problem,) = worker.apply.status.problems
    assert "no broker answers" in problem
    worker.apply.drain()
    for _ in range(20):
        shop.turn(worker)
    assert worker.apply.idle
    assert not shop.statuses()


def test_an_outbox_that_is_full_for_long_lets_counts_come_first_afterwards() -> None:
    """Nobody published for a while: whoever did not, it was an outage."""
    shop = SmallShop()
    shop.store = InMemoryStore(shop.clock, InMemoryStoreConfig(outbox_steps_max=1))
    counts = InMemoryCountOffsets(shop.broker, FactKind.INVENTORY_UPDATED)
    shop.counts = counts
    worker = shop.start()
    shop.finish(worker)
    shop.order("early", "hats")
    shop.order("earlier", "hats")
    for _ in range(200):
        worker.apply.turn()
        shop.clock.advance(50)
    asked_total = counts.asked_total
    shop.finish(worker)
    assert counts.asked_total > asked_total
