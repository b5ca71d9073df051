"""How a set of facts of one order must end, whatever order they come in.

Computed from the set alone. It holds for facts that do not contradict each other, with ample stock,
the policy `reacquire`, every deadline due, and every settlement stated.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reservation_worker.domain.facts import (
    BalanceCounted,
    Fact,
    OrderCanceled,
    OrderCompleted,
    OrderInvoiced,
    OrderLine,
    PaymentApproved,
)
from reservation_worker.domain.keys import StockId
from reservation_worker.domain.ledger import Ledger
from reservation_worker.domain.reservation import Status
from reservation_worker.domain.stock import Stock

Places = tuple[int, int, int, int, int, int]
"""Held, acknowledged, settled, canceled, expired, denied."""
Buckets = tuple[int, int, int, int, int, bool]
"""On hand, authorized, confirmed, acknowledged, limit, unlimited."""


@dataclass(frozen=True)
class End:
    """All that a customer, a shop and an ERP can see when nothing more comes."""

    status: Status
    refund_needed: bool
    lines: tuple[tuple[str, Places], ...]
    buckets: Mapping[StockId, Buckets]


def end_of(ledger: Ledger) -> End:
    """Return how the only order of a ledger has ended."""
    (reservation,) = ledger.reservations.values()
    return End(
        status=reservation.status,
        refund_needed=reservation.refund_needed,
        lines=tuple(
            (
                line.line_id,
                (
                    line.held,
                    line.acknowledged,
                    line.settled,
                    line.canceled,
                    line.expired,
                    line.denied,
                ),
            )
            for line in reservation.lines
        ),
        buckets={stock.id: _buckets(stock) for stock in ledger.stocks.values()},
    )


def _buckets(stock: Stock) -> Buckets:
    return (
        stock.on_hand,
        stock.authorized,
        stock.confirmed,
        stock.acknowledged,
        stock.limit,
        stock.unlimited,
    )


def expected_end(facts: Iterable[Fact]) -> End:
    """Return how facts of one order must end."""
    facts = tuple(facts)
    (order,) = (fact for fact in facts if isinstance(fact, OrderCompleted))
    balances = tuple(fact for fact in facts if isinstance(fact, BalanceCounted))
    paid = any(isinstance(fact, PaymentApproved) for fact in facts)
    counted_at_ms = {
        stock: max(fact.counted_at_ms for fact in balances if _stock_of(fact) == stock)
        for stock in map(_stock_of, balances)
    }
    lines = tuple(
        (
            line.line_id,
            _expected_places(
                line,
                facts,
                completed_at_ms=order.completed_at_ms,
                paid=paid,
                counted_at_ms=counted_at_ms[StockId(order.account, line.warehouse_id, line.sku)],
            ),
        )
        for line in order.lines
    )
    sums = {
        name: sum(places[index] for _, places in lines)
        for index, name in enumerate(("held", "acknowledged", "settled", "canceled", "expired"))
    }
    return End(
        status=_expected_status(sums, sum(line.quantity for line in order.lines)),
        refund_needed=paid and not (sums["held"] or sums["acknowledged"] or sums["settled"]),
        lines=lines,
        buckets={
            stock: _expected_buckets(stock, balances, order, dict(lines)) for stock in counted_at_ms
        },
    )


def _stock_of(fact: BalanceCounted) -> StockId:
    return StockId(fact.account, fact.warehouse_id, fact.sku)


def _expected_places(
    line: OrderLine,
    facts: tuple[Fact, ...],
    *,
    completed_at_ms: int,
    paid: bool,
    counted_at_ms: int,
) -> Places:
    invoiced_units: Counter[int] = Counter()
    canceled = 0
    whole_invoices = [fact for fact in facts if isinstance(fact, OrderInvoiced) and not fact.lines]
    whole_cancellation = any(isinstance(fact, OrderCanceled) and not fact.lines for fact in facts)
    for fact in facts:
        if isinstance(fact, OrderInvoiced | OrderCanceled):
            units = sum(part.quantity for part in fact.lines if part.line_id == line.line_id)
            if isinstance(fact, OrderInvoiced):
                invoiced_units[max(fact.compared_at_ms, completed_at_ms)] += units
            else:
                canceled += units
    rest = line.quantity - canceled - invoiced_units.total()
    assert rest >= 0, "the facts contradict each other"
    if whole_invoices:
        (compared_at_ms,) = {fact.compared_at_ms for fact in whole_invoices}
        invoiced_units[max(compared_at_ms, completed_at_ms)] += rest
        rest = 0
    elif whole_cancellation:
        canceled += rest
        rest = 0
    settled = sum(units for at_ms, units in invoiced_units.items() if at_ms <= counted_at_ms)
    acknowledged = invoiced_units.total() - settled
    return (rest if paid else 0, acknowledged, settled, canceled, 0 if paid else rest, 0)


def _expected_status(sums: Mapping[str, int], quantity: int) -> Status:
    if sums["held"]:
        return Status.CONFIRMED
    if sums["acknowledged"]:
        return Status.ACKNOWLEDGED
    if sums["settled"]:
        return Status.SETTLED
    return Status.CANCELED if sums["canceled"] == quantity else Status.EXPIRED


def _expected_buckets(
    stock: StockId,
    balances: tuple[BalanceCounted, ...],
    order: OrderCompleted,
    places: Mapping[str, Places],
) -> Buckets:
    own = [fact for fact in balances if _stock_of(fact) == stock]
    # The newest, and of those of one instant the most careful one, each field by itself.
    counts = [(fact.counted_at_ms, -fact.on_hand) for fact in own]
    limits = [(fact.counted_at_ms, fact.limit) for fact in own if fact.limit is not None]
    marks = [(one.counted_at_ms, not one.unlimited) for one in own if one.unlimited is not None]
    line_places = [
        places[line.line_id]
        for line in order.lines
        if StockId(order.account, line.warehouse_id, line.sku) == stock
    ]
    return (
        -max(counts)[1],
        0,
        sum(held for held, *_ in line_places),
        sum(acknowledged for _, acknowledged, *_ in line_places),
        max(limits)[1] if limits else 0,
        not max(marks)[1] if marks else False,
    )
