"""Units that a count has taken out: each once, and none of a later instant; on both stores."""

from reservation_worker.contracts.records import OutputRecord
from reservation_worker.domain.deadline import INSTANT_MAX_MS
from reservation_worker.domain.facts import (
    Fact,
    LineUnits,
    ReservationSettlementDue,
)
from reservation_worker.domain.outcome import OutcomeKind
from reservation_worker.domain.stock import Stock
from reservation_worker.ports import Store
from tests.store.facts import (
    ACCOUNT,
    STOCK_ID,
    counted,
    invoiced,
    ordered,
    reservation_id,
)
from tests.store.random_facts import NOW_MS
from tests.store.shard import SHARD, apply_all, claim, due, step

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
