"""From an event that was written back to the state it tells: the newest of each is enough."""

from typing import assert_never

from reservation_worker.contracts.outputs import (
    AcknowledgedLineBody,
    AcknowledgedReservationBody,
    CauseBody,
    KeptCancellationBody,
    KeptInvoiceBody,
    KeptUnitsBody,
    RememberedBody,
    ReservationChangedBody,
    StockChangedBody,
    TracedCauseBody,
)
from reservation_worker.domain.facts import Cause, LineUnits
from reservation_worker.domain.keys import ReservationId, StockId
from reservation_worker.domain.outcome import (
    AcknowledgedLine,
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
)
from reservation_worker.domain.stock import Stock


def restore_reservation(body: ReservationChangedBody) -> Reservation:
    """Return the reservation as it was after the change."""
    internal = body.internal
    return Reservation(
        id=ReservationId(body.account, body.order_id),
        version=body.version,
        completed_at_ms=body.completed_at_ms,
        expires_at_ms=body.expires_at_ms,
        paid_at_ms=body.paid_at_ms,
        payment_id=internal.payment_id,
        order_digest=internal.order_digest,
        lines=tuple(
            Line(
                line_id=line.line_id,
                warehouse_id=line.warehouse_id,
                sku=line.sku,
                quantity=line.quantity,
                held=line.held,
                acknowledged=line.acknowledged,
                settled=line.settled,
                canceled=line.canceled,
                expired=line.expired,
                denied=line.denied,
            )
            for line in body.lines
        ),
        acknowledged=tuple(
            AcknowledgedUnits(units.line, units.invoiced_at_ms, units.units)
            for units in internal.acknowledged
        ),
        invoices=_remembered(internal.invoices),
        cancellations=_remembered(internal.cancellations),
        conflicts=internal.conflicts,
        kept=tuple(_kept(kept) for kept in internal.kept),
        early_facts=tuple((one.topic, one.partition, one.offset) for one in internal.early_facts),
    )


def restore_stock(body: StockChangedBody) -> Stock:
    """Return the stock as it was after the step, without its entries.

    The entries are an index: the reservations restore them.
    """
    internal = body.internal
    return Stock(
        id=StockId(body.account, body.warehouse_id, body.sku),
        on_hand=body.on_hand,
        authorized=body.authorized,
        confirmed=body.confirmed,
        acknowledged=body.acknowledged,
        limit=body.limit,
        unlimited=body.unlimited,
        counted_at_ms=body.counted_at_ms,
        limit_counted_at_ms=internal.limit_counted_at_ms,
        unlimited_counted_at_ms=internal.unlimited_counted_at_ms,
        counted_by=_traced_cause(internal.counted_by),
        settled_through=internal.settled_through,
    )


def restore_reservation_changed(
    body: ReservationChangedBody, traceparent: str | None = None
) -> ReservationChanged:
    """Return the whole change; its cause's ``traceparent`` is told by the record's headers."""
    return ReservationChanged(
        reservation=restore_reservation(body),
        previous_status=body.previous_status,
        reason=body.reason,
        occurred_at_ms=body.occurred_at_ms,
        shortages=tuple(
            Shortage(
                StockId(body.account, shortage.warehouse_id, shortage.sku),
                shortage.requested,
                shortage.available,
                shortage.unknown,
            )
            for shortage in body.shortages
        ),
        conflicts=body.conflicts,
        cause=_cause(body.cause, traceparent),
    )


def restore_units_acknowledged(
    body: AcknowledgedReservationBody, cause: Cause | None = None
) -> UnitsAcknowledged:
    """Return what was acknowledged; the change of the same version tells the cause."""
    return UnitsAcknowledged(
        account=body.account,
        order_id=body.order_id,
        version=body.version,
        acknowledged_at_ms=body.acknowledged_at_ms,
        invoice_id=body.invoice_id,
        lines=_acknowledged_lines(body.lines),
        already_counted=_acknowledged_lines(body.already_counted),
        cause=cause,
    )


def _acknowledged_lines(lines: tuple[AcknowledgedLineBody, ...]) -> tuple[AcknowledgedLine, ...]:
    return tuple(
        AcknowledgedLine(line.line_id, line.warehouse_id, line.sku, line.quantity) for line in lines
    )


def restore_stock_changed(
    body: StockChangedBody, occurred_at_ms: int, traceparent: str | None = None
) -> StockChanged:
    """Return the whole change; the record's headers tell its time and its trace."""
    return StockChanged(
        stock=restore_stock(body),
        version=body.version,
        occurred_at_ms=occurred_at_ms,
        cause=_traced_cause(body.internal.cause),
        traceparent=traceparent,
    )


def _kept(kept: KeptInvoiceBody | KeptCancellationBody) -> Kept:
    match kept:
        case KeptInvoiceBody():
            compared_at_ms = kept.at_ms if kept.compared_at_ms is None else kept.compared_at_ms
            return KeptInvoice(kept.id, kept.at_ms, compared_at_ms, _line_units(kept.lines))
        case KeptCancellationBody():
            return KeptCancellation(kept.id, _line_units(kept.lines))
        case _:
            assert_never(kept)


def _line_units(lines: tuple[KeptUnitsBody, ...]) -> tuple[LineUnits, ...]:
    return tuple(LineUnits(line.line_id, line.quantity) for line in lines)


def _remembered(bodies: tuple[RememberedBody, ...]) -> tuple[Remembered, ...]:
    return tuple(Remembered(body.id, body.digest) for body in bodies)


def _cause(body: CauseBody | None, traceparent: str | None) -> Cause | None:
    if body is None:
        return None
    return Cause(body.topic, body.partition, body.offset, body.event_id, traceparent)


def _traced_cause(body: TracedCauseBody | None) -> Cause | None:
    return None if body is None else _cause(body, body.traceparent)
