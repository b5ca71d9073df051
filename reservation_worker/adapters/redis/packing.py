"""Packs facts for the step script: streams of msgpack, in the order of ``lua/wire.lua``.

What Lua copies into its own arrays is False where it is absent: those must have no holes.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from reservation_worker.domain.facts import (
    BalanceCounted,
    Cause,
    DeadlineReached,
    Fact,
    LineUnits,
    OrderCanceled,
    OrderCompleted,
    OrderInvoiced,
    PaymentApproved,
    ReservationSettlementDue,
    RetentionReached,
    StockSettlementDue,
)
from reservation_worker.domain.keys import join_key
from reservation_worker.domain.values import value_class

_encode = msgspec.msgpack.Encoder().encode
Row = tuple[object, ...]
"""Kind, account, key, bytes of the cause, instant, and what the kind says further."""
NOTHING: tuple[()] = ()


@value_class(frozen=True, slots=True)
class PackedFacts:
    """Three streams of msgpack values, without heads: Lua knows how many values it wants."""

    facts: bytes
    causes: bytes
    """One behind the other; copied to the outbox as they are, Lua never looks into them."""
    lines: bytes


def pack_facts(facts: Sequence[Fact]) -> PackedFacts:
    """Return facts as the step script takes them."""
    values: list[object] = []
    causes: list[bytes] = []
    lines: list[bytes] = []
    for fact in facts:
        cause = getattr(fact, "cause", None)
        packed_cause = b"" if cause is None else pack_cause(cause)
        row, line_values = _FACT_PACKERS[type(fact)](fact, len(packed_cause))
        packed_lines = _stream(line_values)
        values += row
        values += (len(packed_lines), len(line_values))
        causes.append(packed_cause)
        lines.append(packed_lines)
    return PackedFacts(_stream(values), b"".join(causes), b"".join(lines))


def _stream(values: Sequence[object]) -> bytes:
    """Return the values of an array without its head."""
    if not values:
        return b""
    head_bytes = 1 if len(values) < 1 << 4 else 3 if len(values) < 1 << 16 else 5
    return _encode(values)[head_bytes:]


def pack_cause(cause: Cause) -> bytes:
    """Return a cause as an array of five."""
    return _encode(
        (
            cause.topic,
            cause.partition,
            cause.offset,
            False if cause.event_id is None else cause.event_id,
            False if cause.traceparent is None else cause.traceparent,
        )
    )


def _pack_order_completed(fact: OrderCompleted, cause_bytes: int) -> tuple[Row, list[object]]:
    lines: list[object] = []
    for line in fact.lines:
        quantity = line.quantity
        # Until they are held, all units count as denied.
        lines += (
            line.line_id,
            join_key(line.warehouse_id, line.sku),
            *(quantity, 0, 0, 0, 0, 0, quantity),
        )
    row = (
        *(1, join_key(fact.account), join_key(fact.account, fact.order_id), cause_bytes),
        *(fact.completed_at_ms, str(fact.expires_at_ms), fact.digest, False),
    )
    return row, lines


def _pack_payment_approved(fact: PaymentApproved, cause_bytes: int) -> tuple[Row, tuple[()]]:
    payment_id = False if fact.payment_id is None else fact.payment_id
    row = (
        *(2, join_key(fact.account), join_key(fact.account, fact.order_id), cause_bytes),
        *(fact.approved_at_ms, payment_id, fact.reacquire, False),
    )
    return row, NOTHING


def _pack_order_invoiced(fact: OrderInvoiced, cause_bytes: int) -> tuple[Row, list[object]]:
    invoice_id = False if fact.invoice_id is None else fact.invoice_id
    row = (
        *(3, join_key(fact.account), join_key(fact.account, fact.order_id), cause_bytes),
        *(fact.invoiced_at_ms, invoice_id, fact.digest, fact.compared_at_ms),
    )
    return row, _units(fact.lines)


def _pack_order_canceled(fact: OrderCanceled, cause_bytes: int) -> tuple[Row, list[object]]:
    cancellation_id = False if fact.cancellation_id is None else fact.cancellation_id
    row = (
        *(4, join_key(fact.account), join_key(fact.account, fact.order_id), cause_bytes),
        *(fact.canceled_at_ms, cancellation_id, fact.digest, False),
    )
    return row, _units(fact.lines)


def _pack_deadline_reached(fact: DeadlineReached, cause_bytes: int) -> tuple[Row, tuple[()]]:
    row = (
        *(5, join_key(fact.account), join_key(fact.account, fact.order_id), cause_bytes),
        *(str(fact.expires_at_ms), False, False, False),
    )
    return row, NOTHING


def _pack_retention_reached(fact: RetentionReached, cause_bytes: int) -> tuple[Row, tuple[()]]:
    row = (
        *(9, join_key(fact.account), join_key(fact.account, fact.order_id), cause_bytes),
        *(fact.reached_at_ms, fact.version, False, False),
    )
    return row, NOTHING


def _pack_balance_counted(fact: BalanceCounted, cause_bytes: int) -> tuple[Row, tuple[()]]:
    row = (
        *(6, join_key(fact.account), join_key(fact.warehouse_id, fact.sku), cause_bytes),
        *(fact.counted_at_ms, fact.on_hand, fact.limit, fact.unlimited),
    )
    return row, NOTHING


def _pack_stock_settlement(fact: StockSettlementDue, cause_bytes: int) -> tuple[Row, tuple[()]]:
    row = (
        *(7, join_key(fact.account), join_key(fact.warehouse_id, fact.sku), cause_bytes),
        *(False, False, False, False),
    )
    return row, NOTHING


def _pack_reservation_settlement(
    fact: ReservationSettlementDue, cause_bytes: int
) -> tuple[Row, tuple[()]]:
    row = (
        *(8, join_key(fact.account), join_key(fact.account, fact.order_id), cause_bytes),
        *(False, join_key(fact.warehouse_id, fact.sku), False, False),
    )
    return row, NOTHING


def _units(lines: tuple[LineUnits, ...]) -> list[object]:
    return [part for line in lines for part in (line.line_id, line.quantity)]


_FACT_PACKERS: dict[type[Fact], Callable[[Any, int], tuple[Row, Sequence[object]]]] = {
    OrderCompleted: _pack_order_completed,
    PaymentApproved: _pack_payment_approved,
    OrderInvoiced: _pack_order_invoiced,
    OrderCanceled: _pack_order_canceled,
    DeadlineReached: _pack_deadline_reached,
    RetentionReached: _pack_retention_reached,
    BalanceCounted: _pack_balance_counted,
    StockSettlementDue: _pack_stock_settlement,
    ReservationSettlementDue: _pack_reservation_settlement,
}
