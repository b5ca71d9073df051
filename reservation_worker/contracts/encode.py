"""From what a step did to the records that say so: the same bytes for the same event.

The values of the domain whose fields are the contract's, in its order (lines, and what is
remembered), are written as they are; all else is named here.
"""

from collections.abc import Iterable
from typing import Any, Final, assert_never

import msgspec

from reservation_worker.contracts.instants import instant_text
from reservation_worker.contracts.records import OutputRecord, OutputTopic
from reservation_worker.domain.facts import Cause
from reservation_worker.domain.keys import join_key
from reservation_worker.domain.outcome import (
    PublishedEvent,
    ReservationChanged,
    StockChanged,
    UnitsAcknowledged,
)
from reservation_worker.domain.reservation import Kept, KeptCancellation, KeptInvoice, Reservation
from reservation_worker.domain.stock import Stock

EVENT_SOURCE: Final = "/reservation-worker"
EVENT_TYPE_OF: Final[dict[OutputTopic, str]] = {
    OutputTopic.RESERVATION_CHANGED: "reservation.changed.v1",
    OutputTopic.ACKNOWLEDGED_RESERVATION: "reservation.acknowledged.v1",
    OutputTopic.STOCK_CHANGED: "reservation.stock-changed.v1",
}
"""CloudEvents types of the events that are written."""

_JsonObject = dict[str, Any]


def _type_header(topic: OutputTopic) -> tuple[str, bytes]:
    return ("ce_type", EVENT_TYPE_OF[topic].encode())


_SPECIFICATION_HEADER: Final = ("ce_specversion", b"1.0")
_SOURCE_HEADER: Final = ("ce_source", EVENT_SOURCE.encode())
_CONTENT_TYPE_HEADER: Final = ("content-type", b"application/json")
# An enumeration's hash is slow: each topic's header has a name of its own, read once.
_RESERVATION_CHANGED_HEADER: Final = _type_header(OutputTopic.RESERVATION_CHANGED)
_ACKNOWLEDGED_RESERVATION_HEADER: Final = _type_header(OutputTopic.ACKNOWLEDGED_RESERVATION)
_STOCK_CHANGED_HEADER: Final = _type_header(OutputTopic.STOCK_CHANGED)
_to_json = msgspec.json.Encoder().encode


def encode_step(shard: int, step: int, events: Iterable[PublishedEvent]) -> list[OutputRecord]:
    """Return the records of one step, in the order of its events."""
    prefix = f"{shard}-{step}-"
    return [encode_event(event, f"{prefix}{index}", shard) for index, event in enumerate(events)]


def encode_event(event: PublishedEvent, event_id: str, partition: int) -> OutputRecord:
    """Return the record of one event; ``event_id`` is ``shard-step-index``."""
    match event:
        case ReservationChanged():
            return _reservation_changed(event, event_id, partition)
        case UnitsAcknowledged():
            return _units_acknowledged(event, event_id, partition)
        case StockChanged():
            return _stock_changed(event, event_id, partition)
        case _:
            assert_never(event)


def _reservation_changed(event: ReservationChanged, event_id: str, partition: int) -> OutputRecord:
    reservation = event.reservation
    account = reservation.id.account
    cause = event.cause
    occurred_at = instant_text(event.occurred_at_ms)
    body: _JsonObject = {
        "event_id": event_id,
        "account": account,
        "order_id": reservation.id.order_id,
        "version": reservation.version,
        "status": reservation.status,
        "previous_status": event.previous_status,
        "reason": event.reason,
        "occurred_at": occurred_at,
        "expires_at": _optional_instant(reservation.expires_at_ms),
        "completed_at": _optional_instant(reservation.completed_at_ms),
        "paid_at": _optional_instant(reservation.paid_at_ms),
        "lines": reservation.lines,
        "shortages": [
            {
                "warehouse_id": shortage.stock_id.warehouse_id,
                "sku": shortage.stock_id.sku,
                "requested": shortage.requested,
                "available": shortage.available,
            }
            for shortage in event.shortages
        ],
        "refund_needed": reservation.refund_needed,
        "conflicts": event.conflicts,
        "cause": None if cause is None else _cause(cause),
        "internal": _reservation_internal(reservation),
    }
    key = reservation.id.key.encode()
    return OutputRecord(
        OutputTopic.RESERVATION_CHANGED,
        partition,
        key,
        _to_json(body),
        _headers(
            _RESERVATION_CHANGED_HEADER,
            event_id,
            key,
            account,
            occurred_at,
            None if cause is None else cause.traceparent,
        ),
    )


def _units_acknowledged(event: UnitsAcknowledged, event_id: str, partition: int) -> OutputRecord:
    acknowledged_at = instant_text(event.acknowledged_at_ms)
    body: _JsonObject = {
        "event_id": event_id,
        "account": event.account,
        "order_id": event.order_id,
        "version": event.version,
        "acknowledged_at": acknowledged_at,
        "invoice_id": event.invoice_id,
        "lines": event.lines,
    }
    key = join_key(event.account, event.order_id).encode()
    return OutputRecord(
        OutputTopic.ACKNOWLEDGED_RESERVATION,
        partition,
        key,
        _to_json(body),
        _headers(
            _ACKNOWLEDGED_RESERVATION_HEADER,
            event_id,
            key,
            event.account,
            acknowledged_at,
            None if event.cause is None else event.cause.traceparent,
        ),
    )


def _stock_changed(event: StockChanged, event_id: str, partition: int) -> OutputRecord:
    stock = event.stock
    account = stock.id.account
    body: _JsonObject = {
        "event_id": event_id,
        "account": account,
        "warehouse_id": stock.id.warehouse_id,
        "sku": stock.id.sku,
        "version": event.version,
        "on_hand": stock.on_hand,
        "available": stock.available,
        "authorized": stock.authorized,
        "confirmed": stock.confirmed,
        "acknowledged": stock.acknowledged,
        "limit": stock.limit,
        "unlimited": stock.unlimited,
        "counted_at": _optional_instant(stock.counted_at_ms),
        "internal": _stock_internal(stock, event.cause),
    }
    key = stock.id.key.encode()
    return OutputRecord(
        OutputTopic.STOCK_CHANGED,
        partition,
        key,
        _to_json(body),
        _headers(
            _STOCK_CHANGED_HEADER,
            event_id,
            key,
            account,
            instant_text(event.occurred_at_ms),
            event.traceparent,
        ),
    )


def _reservation_internal(reservation: Reservation) -> _JsonObject:
    internal: _JsonObject = {}
    if reservation.order_digest is not None:
        internal["order_digest"] = reservation.order_digest
    if reservation.payment_id is not None:
        internal["payment_id"] = reservation.payment_id
    if reservation.acknowledged:
        internal["acknowledged"] = [
            {"line": units.line_index, "invoiced_at_ms": units.invoiced_at_ms, "units": units.units}
            for units in reservation.acknowledged
        ]
    if reservation.invoices:
        internal["invoices"] = reservation.invoices
    if reservation.cancellations:
        internal["cancellations"] = reservation.cancellations
    if reservation.conflicts:
        internal["conflicts"] = reservation.conflicts
    if reservation.kept:
        internal["kept"] = [_kept(kept) for kept in reservation.kept]
    return internal


def _kept(kept: Kept) -> _JsonObject:
    match kept:
        case KeptInvoice():
            return {
                "kind": "invoice",
                "id": kept.invoice_id,
                "at_ms": kept.invoiced_at_ms,
                "lines": kept.lines,
            }
        case KeptCancellation():
            return {
                "kind": "cancellation",
                "id": kept.cancellation_id,
                "lines": kept.lines,
            }
        case _:
            assert_never(kept)


def _stock_internal(stock: Stock, cause: Cause | None) -> _JsonObject:
    internal: _JsonObject = {}
    if cause is not None:
        internal["cause"] = _traced_cause(cause)
    if stock.counted_by is not None:
        internal["counted_by"] = _traced_cause(stock.counted_by)
    if stock.limit_counted_at_ms is not None:
        internal["limit_counted_at_ms"] = stock.limit_counted_at_ms
    if stock.unlimited_counted_at_ms is not None:
        internal["unlimited_counted_at_ms"] = stock.unlimited_counted_at_ms
    if stock.settled_through is not None:
        internal["settled_through"] = stock.settled_through
    return internal


def _cause(cause: Cause) -> _JsonObject:
    return {
        "topic": cause.topic,
        "partition": cause.partition,
        "offset": cause.offset,
        "event_id": cause.event_id,
    }


def _traced_cause(cause: Cause) -> _JsonObject:
    traced = _cause(cause)
    if cause.traceparent is not None:
        traced["traceparent"] = cause.traceparent
    return traced


def _optional_instant(instant_ms: int | None) -> str | None:
    return None if instant_ms is None else instant_text(instant_ms)


def _headers(
    type_header: tuple[str, bytes],
    event_id: str,
    key: bytes,
    account: str,
    occurred_at: str,
    traceparent: str | None,
) -> tuple[tuple[str, bytes], ...]:
    """Return the CloudEvents attributes of binary mode, in a fixed order."""
    headers = (
        _SPECIFICATION_HEADER,
        ("ce_id", event_id.encode()),
        _SOURCE_HEADER,
        type_header,
        ("ce_subject", key),
        ("ce_time", occurred_at.encode()),
        ("ce_partitionkey", account.encode()),
        _CONTENT_TYPE_HEADER,
    )
    if traceparent is None:
        return headers
    return (*headers, ("traceparent", traceparent.encode()))
