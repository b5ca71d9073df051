"""Unpacks what the scripts store and reply: msgpack arrays, no names.

Positions and codes are those of ``lua/wire.lua``. An absent value is False, because an array that
Lua packs must have no holes.
"""

from typing import Any, TypeAlias

import msgspec

from reservation_worker.domain.facts import (
    Cause,
    LineUnits,
    ReservationSettlementDue,
    Settlement,
    StockSettlementDue,
)
from reservation_worker.domain.keys import ReservationId, StockId, split_key
from reservation_worker.domain.outcome import (
    AcknowledgedLine,
    Conflict,
    OutcomeKind,
    PublishedEvent,
    Reason,
    ReservationChanged,
    Shortage,
    StockChanged,
    UnitsAcknowledged,
)
from reservation_worker.domain.reservation import (
    AcknowledgedUnits,
    Kept,
    KeptCancellation,
    KeptInvoice,
    Line,
    Remembered,
    Reservation,
    Status,
)
from reservation_worker.domain.stock import Stock

OUTBOX_FORMAT = 1
LINE_WIDTH = 9
FIRST_LINE = 11
"""Where the lines begin in a packed reservation."""
KEPT_INVOICE = 1

STATUSES: tuple[Status | None, ...] = (
    None,
    Status.AWAITING,
    Status.CONFIRMED,
    Status.AUTHORIZED,
    Status.ACKNOWLEDGED,
    Status.SETTLED,
    Status.CANCELED,
    Status.EXPIRED,
    Status.DENIED,
)
REASONS = (
    Reason.ORDER_COMPLETED,
    Reason.PAYMENT_APPROVED,
    Reason.ORDER_INVOICED,
    Reason.ORDER_CANCELED,
    Reason.DEADLINE_REACHED,
    Reason.BALANCE_COUNTED,
)
CONFLICTS = (
    Conflict.ORDER_DIFFERS,
    Conflict.INVOICED_AFTER_CANCEL,
    Conflict.INVOICED_WITHOUT_STOCK,
    Conflict.INVOICED_TOO_MANY,
    Conflict.CANCELED_AFTER_INVOICE,
    Conflict.CANCELED_TOO_MANY,
    Conflict.PAID_TWICE,
    Conflict.ID_REUSED,
)
OUTCOMES = {
    ord("1"): OutcomeKind.CHANGED,
    ord("2"): OutcomeKind.REPEAT,
    ord("3"): OutcomeKind.REFUSED,
    ord("4"): OutcomeKind.CONFLICT,
    ord("5"): OutcomeKind.BALANCE_DIFFERS,
    ord("6"): OutcomeKind.OUT_OF_BOUNDS,
}

Value: TypeAlias = Any
"""One element of an array: what it is, its position says."""

_decode = msgspec.msgpack.Decoder().decode


def unpack_outcomes(codes: bytes) -> tuple[OutcomeKind, ...]:
    """Return what a step's reply says of each fact."""
    return tuple([OUTCOMES[code] for code in codes])


def unpack_reservation(reservation_id: ReservationId, packed: bytes) -> Reservation:
    """Return a reservation from the value of its key."""
    return _reservation(reservation_id, _decode(packed))


def unpack_stock(stock_id: StockId, packed: bytes) -> Stock:
    """Return a stock from the value of its key, without its entries."""
    return _stock(stock_id, _decode(packed))


def unpack_outbox_entry(packed: bytes) -> tuple[PublishedEvent, ...]:
    """Return the events of a step in the order in which they are published."""
    layout, change_heads, changes, stock_heads, stocks = _decode(packed)
    assert layout == OUTBOX_FORMAT, f"an outbox entry of another release: {layout}"
    events: list[PublishedEvent] = []
    causes: list[Cause | None] = [None]
    for number in range(len(changes) // 2):
        cause = _cause(changes[2 * number])
        causes.append(cause)
        head = change_heads[5 * number : 5 * number + 5]
        _append_change(events, head, cause, changes[2 * number + 1])
    for number in range(len(stocks) // 2):
        account, name, occurred_at_ms, change = stock_heads[4 * number : 4 * number + 4]
        # The last change that touched the stock, else the balance that did.
        cause = causes[change] if change else _cause(stocks[2 * number])
        packed_stock = stocks[2 * number + 1]
        event = StockChanged(
            _stock(StockId(*split_key(account), *split_key(name)), packed_stock),
            packed_stock[0][0],
            occurred_at_ms,
            None if change else cause,
            None if cause is None else cause.traceparent,
        )
        events.append(event)
    return tuple(events)


def unpack_settlement(member: str) -> Settlement:
    """Return the follow-up that a member of the settle index stands for."""
    account, warehouse_id, sku, *order = split_key(member)
    if order:
        return ReservationSettlementDue(account, warehouse_id, sku, order[0])
    return StockSettlementDue(account, warehouse_id, sku)


def _append_change(
    events: list[PublishedEvent], head: list[Any], cause: Cause | None, packed: list[Any]
) -> None:
    key, previous_status, reason, occurred_at_ms, rare = head
    shortages, conflicts, acknowledgements = rare or ((), (), ())
    account, order_id = split_key(key)
    reservation = _reservation(ReservationId(account, order_id), packed)
    change = ReservationChanged(
        reservation,
        STATUSES[previous_status],
        REASONS[reason - 1],
        occurred_at_ms,
        tuple(
            Shortage(StockId(account, *split_key(name)), requested, available)
            for name, requested, available in shortages
        )
        if shortages
        else (),
        tuple(CONFLICTS[code - 1] for code in conflicts) if conflicts else (),
        cause,
    )
    events.append(change)
    for acknowledged_at_ms, invoice_id, units in acknowledgements:
        acknowledged = UnitsAcknowledged(
            account,
            order_id,
            reservation.version,
            acknowledged_at_ms,
            _present(invoice_id),
            tuple(
                AcknowledgedLine(line.line_id, line.warehouse_id, line.sku, quantity)
                for index, quantity in zip(units[::2], units[1::2], strict=True)
                for line in (reservation.lines[index],)
            ),
            cause,
        )
        events.append(acknowledged)


def _reservation(reservation_id: ReservationId, packed: list[Any]) -> Reservation:
    version, completed_at_ms, expires_at, paid_at_ms, payment_id, digest, *arrays = packed[:11]
    acknowledged, invoices, cancellations, conflicts, kept = arrays
    return Reservation(
        reservation_id,
        version,
        None if completed_at_ms is False else completed_at_ms,
        None if expires_at is False else int(expires_at),
        None if paid_at_ms is False else paid_at_ms,
        None if payment_id is False else payment_id,
        None if digest is False else digest,
        tuple([_line(packed, at) for at in range(FIRST_LINE, len(packed), LINE_WIDTH)]),
        _acknowledged(acknowledged) if acknowledged else (),
        _remembered(invoices) if invoices else (),
        _remembered(cancellations) if cancellations else (),
        tuple(conflicts) if conflicts else (),
        tuple([_kept(one) for one in kept]) if kept else (),
    )


def _acknowledged(units: list[int]) -> tuple[AcknowledgedUnits, ...]:
    return tuple([AcknowledgedUnits(*units[at : at + 3]) for at in range(0, len(units), 3)])


def _line(packed: list[Any], at: int) -> Line:
    line_id, name, *units = packed[at : at + LINE_WIDTH]
    warehouse_id, sku = split_key(name)
    return Line(line_id, warehouse_id, sku, *units)


def _remembered(documents: list[Any]) -> tuple[Remembered, ...]:
    return tuple(
        Remembered(_present(document_id), digest)
        for document_id, digest in zip(documents[::2], documents[1::2], strict=True)
    )


def _kept(packed: list[Any]) -> Kept:
    kind, document_id, at_ms, units = packed
    lines = tuple(
        LineUnits(line_id, quantity)
        for line_id, quantity in zip(units[::2], units[1::2], strict=True)
    )
    if kind == KEPT_INVOICE:
        return KeptInvoice(_present(document_id), at_ms, lines)
    return KeptCancellation(_present(document_id), lines)


def _stock(stock_id: StockId, packed: list[list[Any]]) -> Stock:
    values, counts = packed
    _, on_hand, authorized, confirmed, acknowledged, limit, unlimited, counted_at_ms = values
    limit_counted_at_ms, unlimited_counted_at_ms, counted_by, settled_at_ms, settled_member = counts
    return Stock(
        stock_id,
        on_hand,
        authorized,
        confirmed,
        acknowledged,
        limit,
        unlimited,
        None if counted_at_ms is False else counted_at_ms,
        None if limit_counted_at_ms is False else limit_counted_at_ms,
        None if unlimited_counted_at_ms is False else unlimited_counted_at_ms,
        _cause(counted_by),
        None if settled_at_ms is False else (settled_at_ms, settled_member),
    )


def _cause(packed: Value) -> Cause | None:
    if not packed:
        return None
    topic, partition, offset, event_id, traceparent = packed
    return Cause(
        topic,
        partition,
        offset,
        None if event_id is False else event_id,
        None if traceparent is False else traceparent,
    )


def _present(value: Value) -> Value:
    return None if value is False else value
