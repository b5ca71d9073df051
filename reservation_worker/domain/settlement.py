"""What a balance does to a stock: the count, and the acknowledged units that it has taken out."""

from collections.abc import Iterable
from dataclasses import replace

from reservation_worker.domain.facts import (
    BalanceCounted,
    ReservationSettlementDue,
    Settlement,
    StockSettlementDue,
)
from reservation_worker.domain.keys import StockId
from reservation_worker.domain.outcome import OutcomeKind
from reservation_worker.domain.reservation import Reservation
from reservation_worker.domain.stock import AcknowledgedEntry, Stock


def counted(stock: Stock, fact: BalanceCounted) -> Stock | OutcomeKind:
    """Return the stock with what a balance says, or why it says nothing new.

    ``on_hand``, ``limit`` and ``unlimited`` are each kept with the ``counted_at`` they came with;
    an older one is ignored on its own, and of two with the same one the more careful stands,
    whichever came first.
    """
    at_ms, after = fact.counted_at_ms, stock
    if _stands(at_ms, stock.counted_at_ms, is_more_careful=fact.on_hand < stock.on_hand):
        after = replace(after, on_hand=fact.on_hand, counted_at_ms=at_ms, counted_by=fact.cause)
    limit, unlimited = fact.limit, fact.unlimited
    if limit is not None and _stands(
        at_ms, stock.limit_counted_at_ms, is_more_careful=limit > stock.limit
    ):
        after = replace(after, limit=limit, limit_counted_at_ms=at_ms)
    if unlimited is not None and _stands(
        at_ms, stock.unlimited_counted_at_ms, is_more_careful=stock.unlimited and not unlimited
    ):
        after = replace(after, unlimited=unlimited, unlimited_counted_at_ms=at_ms)
    if after != stock:
        return after
    is_contradicted = at_ms == stock.counted_at_ms and (
        fact.on_hand > stock.on_hand
        or (limit is not None and limit < stock.limit)
        or (unlimited is True and not stock.unlimited)
    )
    return OutcomeKind.BALANCE_DIFFERS if is_contradicted else OutcomeKind.REPEAT


def settled_further(stock: Stock, entries_max: int) -> tuple[Stock, tuple[Settlement, ...]]:
    """Take acknowledged entries that the count covers out of the bucket, oldest first.

    Returns the stock, and the follow-ups: one for each reservation concerned, and one for the stock
    itself where more entries are covered than one step may take.
    """
    covered = [entry for entry in stock.entries if stock.covers(entry.compared_at_ms)]
    taken = covered[:entries_max]
    more = len(covered) > len(taken)
    after = replace(
        stock,
        acknowledged=stock.acknowledged - sum(entry.units for entry in taken),
        entries=stock.entries[len(taken) :],
        settled_through=taken[-1].place if more else None,
    )
    account, warehouse_id, sku = stock.id.account, stock.id.warehouse_id, stock.id.sku
    order_ids = dict.fromkeys(entry.order_id for entry in taken)
    settlements: list[Settlement] = [
        ReservationSettlementDue(account, warehouse_id, sku, order_id) for order_id in order_ids
    ]
    if more:
        settlements.append(StockSettlementDue(account, warehouse_id, sku))
    return after, tuple(settlements)


def entries_told_by(
    stock: Stock, reservations: Iterable[Reservation]
) -> tuple[tuple[AcknowledgedEntry, ...], tuple[Settlement, ...]]:
    """Return what the reservations of an account tell of a stock's acknowledged units.

    Those in the bucket, in their order; and the follow-ups for those that a balance has taken out
    of it, of which their reservations have not heard yet.
    """
    entries = [
        AcknowledgedEntry(units.compared_at_ms, one.id.order_id, units.line_index, units.units)
        for one in reservations
        for units in one.acknowledged
        for line in (one.lines[units.line_index],)
        if StockId(one.id.account, line.warehouse_id, line.sku) == stock.id
    ]
    account, warehouse_id, sku = stock.id.account, stock.id.warehouse_id, stock.id.sku
    released = dict.fromkeys(entry.order_id for entry in entries if stock.has_released(entry))
    waiting = (entry for entry in entries if not stock.has_released(entry))
    return (
        tuple(sorted(waiting, key=lambda entry: entry.place)),
        tuple(
            ReservationSettlementDue(account, warehouse_id, sku, order_id) for order_id in released
        ),
    )


def _stands(at_ms: int, stored_at_ms: int | None, *, is_more_careful: bool) -> bool:
    if stored_at_ms is None or at_ms > stored_at_ms:
        return True
    return at_ms == stored_at_ms and is_more_careful
