"""Facts of one step that meet on a line, a stock or a reservation; on both stores."""

from dataclasses import replace

from reservation_worker.contracts.records import OutputRecord
from reservation_worker.domain.deadline import INSTANT_MAX_MS
from reservation_worker.domain.facts import (
    Fact,
    LineUnits,
    ReservationSettlementDue,
    RetentionReached,
)
from reservation_worker.domain.outcome import OutcomeKind
from reservation_worker.domain.stock import Stock
from reservation_worker.ports import ShardStep, StepRefusal, StepRefused, Store
from tests.store.conftest import Bounds, StoreFactory
from tests.store.facts import (
    ACCOUNT,
    STOCK_ID,
    canceled,
    counted,
    invoiced,
    ordered,
    reservation_id,
)
from tests.store.random_facts import NOW_MS
from tests.store.shard import EPOCH, SHARD, apply_all, claim, due, outbox, step

CHANGED, REPEAT = OutcomeKind.CHANGED, OutcomeKind.REPEAT


def stock_of(store: Store[OutputRecord]) -> Stock:
    """Return the stock that all of these facts speak of."""
    stock = store.stock(SHARD, STOCK_ID)
    assert stock is not None
    return stock


def test_two_invoices_of_one_line_in_one_step_are_settled_once(
    store: Store[OutputRecord],
) -> None:
    """The second replaces what the first has left in the index; a count would settle both."""
    claim(store)
    apply_all(store, [counted(9)])
    one = (LineUnits("1", 1),)
    facts: list[Fact] = [
        ordered(quantity=3),
        invoiced(invoice_id="i1", lines=one),
        invoiced(invoice_id="i2", lines=one),
    ]
    assert 3 == len(step(store, facts).outcomes)
    assert 2 == stock_of(store).acknowledged
    apply_all(store, [counted(7, at_ms=NOW_MS + 10)])
    apply_all(store, due(store).settlements)
    stock = stock_of(store)
    assert (0, 1, 6) == (stock.acknowledged, stock.authorized, stock.available)
    reservation = store.reservation(SHARD, reservation_id())
    assert reservation is not None
    assert (2, 0, 1) == (
        reservation.lines[0].settled,
        reservation.lines[0].acknowledged,
        reservation.lines[0].held,
    )


def test_what_does_not_fit_leaves_the_stocks_to_the_facts_behind_it(
    make_store: StoreFactory,
) -> None:
    """What it has tried to hold is free again for the next order of the same step."""
    store = make_store(Bounds(event_bytes_max=4_000))
    claim(store)
    apply_all(store, [counted(10)])
    facts: list[Fact] = [ordered("large", lines=10), ordered("small", quantity=10)]
    outcomes = step(store, facts).outcomes
    assert (OutcomeKind.OUT_OF_BOUNDS, CHANGED) == outcomes
    assert 10 == stock_of(store).authorized


def test_the_size_of_a_change_is_known_to_the_line(make_store: StoreFactory) -> None:
    """A sum that is taken for safe without being added up lets through what nobody can publish."""
    store = make_store(Bounds(event_bytes_max=20_000))
    claim(store)
    facts: list[Fact] = [ordered("fits", lines=60), ordered("does-not", lines=100)]
    outcomes = apply_all(store, facts)
    assert (OutcomeKind.REFUSED, OutcomeKind.OUT_OF_BOUNDS) == outcomes


def test_a_mark_beyond_the_last_step_changes_nothing(store: Store[OutputRecord]) -> None:
    """Steps that come later would count as published before they are."""
    claim(store)
    step(store, [ordered()])
    marked = store.mark_published([ShardStep(SHARD, EPOCH, 2)])
    assert (StepRefused(StepRefusal.INCOMPLETE, EPOCH),) == marked
    assert 0 == store.inspect(SHARD).published
    assert (2, 0) == (step(store, [ordered("v2")]).step, store.inspect(SHARD).published)


def test_what_is_marked_is_out_of_the_outbox_up_to_the_last_of_it(
    store: Store[OutputRecord],
) -> None:
    """An entry that stayed would stay for ever."""
    claim(store)
    for number in range(3):
        step(store, [ordered(f"v{number}")])
    store.mark_published([ShardStep(SHARD, EPOCH, 2)])
    incomplete = StepRefused(StepRefusal.INCOMPLETE, EPOCH)
    assert (incomplete,) == store.read_outbox([ShardStep(SHARD, EPOCH, 1)], 10)
    assert [3] == [entry.step for entry in outbox(store, 2)]


def test_the_last_instants_that_there_are_differ_by_a_millisecond(
    store: Store[OutputRecord],
) -> None:
    """They have fifteen digits: a number that is printed carelessly has fourteen."""
    claim(store)
    apply_all(store, [counted(9), ordered("covered"), ordered("later")])
    for order_id, at_ms in (("covered", INSTANT_MAX_MS - 1), ("later", INSTANT_MAX_MS)):
        apply_all(store, [invoiced(order_id, at_ms=at_ms)])
    apply_all(store, [counted(8, at_ms=INSTANT_MAX_MS - 1)])
    assert 1 == stock_of(store).acknowledged
    settled = due(store).settlements
    assert (ReservationSettlementDue(ACCOUNT, "main", "chair", "covered"),) == settled
    assert (CHANGED,) == apply_all(store, settled)


def test_an_outbox_takes_as_many_steps_as_it_may_and_not_one_more(
    make_store: StoreFactory,
) -> None:
    """Counted from what is published, not from the first step."""
    store = make_store(Bounds(outbox_steps_max=2))
    claim(store)
    for number in range(2):
        step(store, [ordered(f"v{number}")])
    store.mark_published([ShardStep(SHARD, EPOCH, 1)])
    step(store, [ordered("v2")])
    full = StepRefused(StepRefusal.OUTBOX_FULL, EPOCH)
    assert full == store.step(SHARD, EPOCH, [ordered("v3")])
    assert 3 == store.inspect(SHARD).step


def test_a_retention_that_was_reached_for_another_version_removes_nothing(
    store: Store[OutputRecord],
) -> None:
    """The reservation has changed since it was found old enough: it begins to wait anew."""
    claim(store)
    apply_all(store, [ordered("denied"), canceled("denied")])
    removal = RetentionReached(ACCOUNT, "denied", 1, NOW_MS)
    assert (REPEAT,) == step(store, [removal]).outcomes
    assert store.reservation(SHARD, reservation_id("denied")) is not None
    assert (CHANGED,) == step(store, [replace(removal, version=2)]).outcomes
    assert store.reservation(SHARD, reservation_id("denied")) is None
