"""From what a step did to the records that say so: the same bytes for the same event."""

from collections.abc import Iterable
from typing import Final, assert_never

from reservation_worker.contracts.instants import instant_text, optional_instant_text
from reservation_worker.contracts.records import OutputRecord
from reservation_worker.contracts.removed import orphan_record, tombstone_record
from reservation_worker.contracts.written import (
    EVENT_SOURCE,
    WrittenAcknowledgedLine,
    WrittenAcknowledgedUnits,
    WrittenAcknowledgement,
    WrittenCause,
    WrittenCoordinates,
    WrittenKept,
    WrittenKeptCancellation,
    WrittenKeptInvoice,
    WrittenLine,
    WrittenRemembered,
    WrittenReservation,
    WrittenReservationInternal,
    WrittenShortage,
    WrittenStock,
    WrittenStockInternal,
    WrittenTracedCause,
    WrittenUnits,
    acknowledgement_record,
    reservation_record,
    stock_record,
)
from reservation_worker.domain.facts import Cause, LineUnits
from reservation_worker.domain.keys import join_key
from reservation_worker.domain.outcome import (
    AcknowledgedLine,
    PublishedEvent,
    ReservationChanged,
    ReservationRemoved,
    StockChanged,
    UnitsAcknowledged,
)
from reservation_worker.domain.reservation import (
    Kept,
    KeptCancellation,
    KeptInvoice,
    Remembered,
    Reservation,
)
from reservation_worker.domain.stock import Stock

UNNAMED_SOURCE: Final = EVENT_SOURCE.encode()
"""Of events that no deployment publishes: a test's, or an audit's."""


def encode_step(
    shard: int, step: int, events: Iterable[PublishedEvent], source: bytes = UNNAMED_SOURCE
) -> list[OutputRecord]:
    """Return the records of one step, in the order of its events; dead letters behind them."""
    prefix = f"{shard}-{step}-"
    told = list(events)
    records = [
        encode_event(event, f"{prefix}{index}", shard, source) for index, event in enumerate(told)
    ]
    removals = (event for event in told if isinstance(event, ReservationRemoved))
    return records + [orphan_record(removed) for removed in removals if removed.early_facts]


def encode_event(
    event: PublishedEvent, event_id: str, partition: int, source: bytes = UNNAMED_SOURCE
) -> OutputRecord:
    """Return the record of one event; ``event_id`` is ``shard-step-index``."""
    match event:
        case ReservationChanged():
            return _reservation_changed(event, event_id, partition, source)
        case UnitsAcknowledged():
            return _units_acknowledged(event, event_id, partition, source)
        case StockChanged():
            return _stock_changed(event, event_id, partition, source)
        case ReservationRemoved():
            return tombstone_record(event, event_id, partition, source)
        case _:
            assert_never(event)


def _reservation_changed(
    event: ReservationChanged, event_id: str, partition: int, source: bytes
) -> OutputRecord:
    reservation = event.reservation
    cause = event.cause
    body = WrittenReservation(
        event_id=event_id,
        account=reservation.id.account,
        order_id=reservation.id.order_id,
        version=reservation.version,
        status=reservation.status,
        previous_status=event.previous_status,
        reason=event.reason,
        occurred_at=instant_text(event.occurred_at_ms),
        expires_at=optional_instant_text(reservation.expires_at_ms),
        completed_at=optional_instant_text(reservation.completed_at_ms),
        paid_at=optional_instant_text(reservation.paid_at_ms),
        lines=[
            WrittenLine(
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
            for line in reservation.lines
        ],
        shortages=[
            WrittenShortage(
                shortage.stock_id.warehouse_id,
                shortage.stock_id.sku,
                shortage.requested,
                shortage.available,
                shortage.unknown,
            )
            for shortage in event.shortages
        ],
        refund_needed=reservation.refund_needed,
        conflicts=event.conflicts,
        cause=None if cause is None else _cause(cause),
        internal=_reservation_internal(reservation),
    )
    traceparent = None if cause is None else cause.traceparent
    return reservation_record(body, reservation.id.key.encode(), traceparent, partition, source)


def _units_acknowledged(
    event: UnitsAcknowledged, event_id: str, partition: int, source: bytes
) -> OutputRecord:
    body = WrittenAcknowledgement(
        event_id=event_id,
        account=event.account,
        order_id=event.order_id,
        version=event.version,
        acknowledged_at=instant_text(event.acknowledged_at_ms),
        invoice_id=event.invoice_id,
        lines=_acknowledged_lines(event.lines),
        already_counted=_acknowledged_lines(event.already_counted),
    )
    key = join_key(event.account, event.order_id).encode()
    traceparent = None if event.cause is None else event.cause.traceparent
    return acknowledgement_record(body, key, traceparent, partition, source)


def _acknowledged_lines(lines: tuple[AcknowledgedLine, ...]) -> list[WrittenAcknowledgedLine]:
    return [
        WrittenAcknowledgedLine(line.line_id, line.warehouse_id, line.sku, line.quantity)
        for line in lines
    ]


def _stock_changed(
    event: StockChanged, event_id: str, partition: int, source: bytes
) -> OutputRecord:
    stock = event.stock
    body = WrittenStock(
        event_id=event_id,
        account=stock.id.account,
        warehouse_id=stock.id.warehouse_id,
        sku=stock.id.sku,
        version=event.version,
        on_hand=stock.on_hand,
        available=stock.available,
        authorized=stock.authorized,
        confirmed=stock.confirmed,
        acknowledged=stock.acknowledged,
        limit=stock.limit,
        unlimited=stock.unlimited,
        counted_at=optional_instant_text(stock.counted_at_ms),
        internal=_stock_internal(stock, event.cause),
    )
    occurred_at = instant_text(event.occurred_at_ms)
    key = stock.id.key.encode()
    return stock_record(body, key, occurred_at, event.traceparent, partition, source)


def _reservation_internal(reservation: Reservation) -> WrittenReservationInternal:
    return WrittenReservationInternal(
        order_digest=reservation.order_digest,
        payment_id=reservation.payment_id,
        acknowledged=tuple(
            WrittenAcknowledgedUnits(units.line_index, units.compared_at_ms, units.units)
            for units in reservation.acknowledged
        ),
        invoices=_remembered(reservation.invoices),
        cancellations=_remembered(reservation.cancellations),
        conflicts=reservation.conflicts,
        kept=tuple(_kept(kept) for kept in reservation.kept),
        early_facts=tuple(WrittenCoordinates(*one) for one in reservation.early_facts),
    )


def _remembered(documents: tuple[Remembered, ...]) -> tuple[WrittenRemembered, ...]:
    return tuple(WrittenRemembered(document.id, document.digest) for document in documents)


def _kept(kept: Kept) -> WrittenKept:
    match kept:
        case KeptInvoice():
            return WrittenKeptInvoice(
                kept.invoice_id, kept.invoiced_at_ms, _units(kept.lines), kept.compared_at_ms
            )
        case KeptCancellation():
            return WrittenKeptCancellation(kept.cancellation_id, _units(kept.lines))
        case _:
            assert_never(kept)


def _units(lines: tuple[LineUnits, ...]) -> tuple[WrittenUnits, ...]:
    return tuple(WrittenUnits(line.line_id, line.quantity) for line in lines)


def _stock_internal(stock: Stock, cause: Cause | None) -> WrittenStockInternal:
    return WrittenStockInternal(
        cause=None if cause is None else _traced_cause(cause),
        counted_by=None if stock.counted_by is None else _traced_cause(stock.counted_by),
        limit_counted_at_ms=stock.limit_counted_at_ms,
        unlimited_counted_at_ms=stock.unlimited_counted_at_ms,
        settled_through=stock.settled_through,
    )


def _cause(cause: Cause) -> WrittenCause:
    return WrittenCause(cause.topic, cause.partition, cause.offset, cause.event_id)


def _traced_cause(cause: Cause) -> WrittenTracedCause:
    return WrittenTracedCause(
        cause.topic, cause.partition, cause.offset, cause.event_id, cause.traceparent
    )
