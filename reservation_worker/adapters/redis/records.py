"""Unpacks what the scripts store and reply: msgpack arrays, no names.

Positions and codes are those of ``lua/wire.lua``. An absent value is False, because an array that
Lua packs must have no holes.
"""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import msgspec

from reservation_worker.domain.facts import (
    Cause,
    LineUnits,
    ReservationSettlementDue,
    Settlement,
    StockSettlementDue,
)
from reservation_worker.domain.keys import ReservationId, StockId, split_key, split_pair
from reservation_worker.domain.outcome import (
    Conflict,
    OutcomeKind,
    Reason,
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
from reservation_worker.ports import StepRefusal, StepRefused

LINE_WIDTH = 9
FIRST_LINE = 12
"""Where the lines begin in a packed reservation."""
KEPT_INVOICE, KEPT_CANCELLATION = 1, 2

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

decode_array = msgspec.msgpack.Decoder().decode
"""Return the elements of one packed array."""


def refused(reply: Sequence[Any]) -> StepRefused:
    """Return why a script ran nothing, from a reply that begins with 0."""
    return StepRefused(StepRefusal(reply[1].decode()), reply[2])


def unpack_outcomes(codes: bytes) -> tuple[OutcomeKind, ...]:
    """Return what a step's reply says of each fact."""
    return tuple([OUTCOMES[code] for code in codes])


def unpack_reservation(reservation_id: ReservationId, packed: bytes) -> Reservation:
    """Return a reservation from the value of its key."""
    return _reservation(reservation_id, decode_array(packed))


def unpack_stock(stock_id: StockId, packed: bytes) -> Stock:
    """Return a stock from the value of its key, without its entries."""
    return _stock(stock_id, decode_array(packed))


def groups(values: list[Any], size: int) -> Iterator[tuple[Any, ...]]:
    """Return the values of a flat array, so many at a time."""
    return zip(*[iter(values)] * size, strict=True)


def unpack_settlement(member: str) -> Settlement:
    """Return the follow-up that a member of the settle index stands for."""
    account, warehouse_id, sku, *order = split_key(member)
    if order:
        return ReservationSettlementDue(account, warehouse_id, sku, order[0])
    return StockSettlementDue(account, warehouse_id, sku)


def _reservation(reservation_id: ReservationId, packed: list[Any]) -> Reservation:
    (
        version,
        completed_at_ms,
        expires_at,
        paid_at_ms,
        payment_id,
        digest,
        acknowledged,
        invoices,
        cancellations,
        conflicts,
        kept,
        early_facts,
    ) = packed[:FIRST_LINE]
    return Reservation(
        reservation_id,
        version,
        None if completed_at_ms is False else completed_at_ms,
        None if expires_at is False else int(expires_at),
        None if paid_at_ms is False else paid_at_ms,
        None if payment_id is False else payment_id,
        None if digest is False else digest,
        tuple(
            [
                Line(line_id, *split_pair(name), *units)
                for line_id, name, *units in groups(packed[FIRST_LINE:], LINE_WIDTH)
            ]
        ),
        _acknowledged(acknowledged) if acknowledged else (),
        _remembered(invoices) if invoices else (),
        _remembered(cancellations) if cancellations else (),
        tuple(conflicts) if conflicts else (),
        tuple([_kept(one) for one in kept]) if kept else (),
        tuple(groups(early_facts, 3)) if early_facts else (),
    )


def _acknowledged(units: list[int]) -> tuple[AcknowledgedUnits, ...]:
    return tuple([AcknowledgedUnits(*group) for group in groups(units, 3)])


def _remembered(documents: list[Any]) -> tuple[Remembered, ...]:
    return tuple(
        Remembered(present(document_id), digest)
        for document_id, digest in zip(documents[::2], documents[1::2], strict=True)
    )


def _kept(packed: list[Any]) -> Kept:
    kind, document_id, at_ms, units = packed[:4]
    lines = tuple(
        LineUnits(line_id, quantity)
        for line_id, quantity in zip(units[::2], units[1::2], strict=True)
    )
    if kind == KEPT_INVOICE:
        return KeptInvoice(present(document_id), at_ms, packed[4], lines)
    return KeptCancellation(present(document_id), lines)


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


def present(value: Value) -> Value:
    """Return a value that may be absent: None instead of False."""
    return None if value is False else value
