"""The three events that are written: their bodies, field by field in order, and their records.

`outputs.py` has the same bodies as their readers see them. These are made for every event that is
published, from the domain's values or from what Redis has packed, so they are as quick to make and
to write as can be; nothing checks them but the tests.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from reservation_worker.contracts.records import OutputRecord, OutputTopic

EVENT_SOURCE: Final = "/reservation-worker"
"""What releases wrote that did not name their group, and what the name of a group is put behind."""
EVENT_TYPE_OF: Final[dict[OutputTopic, str]] = {
    OutputTopic.RESERVATION_CHANGED: "reservation.changed.v1",
    OutputTopic.ACKNOWLEDGED_RESERVATION: "reservation.acknowledged.v1",
    OutputTopic.STOCK_CHANGED: "reservation.stock-changed.v1",
}
"""CloudEvents types of the events that are written."""

Header = tuple[str, bytes]
_to_json = msgspec.json.Encoder().encode
NotWritten = msgspec.DecodeError
"""Bytes that are not such a body."""


class WrittenCause(msgspec.Struct, frozen=True, gc=False):
    """The input record that caused a change."""

    topic: str
    partition: int
    offset: int
    event_id: str | None


class WrittenTracedCause(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A cause that later changes are traced back to; no trace: left out."""

    topic: str
    partition: int
    offset: int
    event_id: str | None
    traceparent: str | None = None


class WrittenLine(msgspec.Struct, frozen=True, gc=False):
    """One line of an order; every unit of quantity is in exactly one place."""

    line_id: str
    warehouse_id: str
    sku: str
    quantity: int
    held: int
    acknowledged: int
    settled: int
    canceled: int
    expired: int
    denied: int


class WrittenShortage(msgspec.Struct, frozen=True, gc=False):
    """A stock that could not give what was asked of it."""

    warehouse_id: str
    sku: str
    requested: int
    available: int
    unknown: bool = False


class WrittenAcknowledgedUnits(msgspec.Struct, frozen=True, gc=False):
    """Acknowledged, not yet settled units of one line, counted from 0, with one date.

    The date is the one that is compared with counts; the name was given when it was the invoice's.
    """

    line: int
    invoiced_at_ms: int
    units: int


class WrittenRemembered(msgspec.Struct, frozen=True, gc=False):
    """An invoice or a cancellation that has been seen; no id: the whole one."""

    id: str | None
    digest: str


class WrittenUnits(msgspec.Struct, frozen=True, gc=False):
    """Some units of one line."""

    line_id: str
    quantity: int


class WrittenKeptInvoice(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag="invoice"):
    """An invoice that waits for its order or for stock; no lines: all that can be moved."""

    id: str | None
    at_ms: int
    lines: Sequence[WrittenUnits]
    compared_at_ms: int | None = None
    """None in what was written before invoices had it: it is ``at_ms``."""


class WrittenKeptCancellation(
    msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag="cancellation"
):
    """A cancellation that waits for its order; no lines: all that can be moved."""

    id: str | None
    lines: Sequence[WrittenUnits]


WrittenKept = WrittenKeptInvoice | WrittenKeptCancellation


class WrittenCoordinates(msgspec.Struct, frozen=True, gc=False):
    """Where the record of an early fact stands."""

    topic: str
    partition: int
    offset: int


class WrittenReservationInternal(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What restoring a reservation needs and no reader does; what is not there is left out."""

    order_digest: str | None = None
    payment_id: str | None = None
    acknowledged: Sequence[WrittenAcknowledgedUnits] = ()
    invoices: Sequence[WrittenRemembered] = ()
    cancellations: Sequence[WrittenRemembered] = ()
    conflicts: Sequence[str] = ()
    kept: Sequence[WrittenKept] = ()
    early_facts: Sequence[WrittenCoordinates] = ()


class WrittenReservation(msgspec.Struct, frozen=True, gc=False):
    """The body of ``reservation-changed``."""

    event_id: str
    account: str
    order_id: str
    version: int
    status: str
    previous_status: str | None
    reason: str
    occurred_at: str
    expires_at: str | None
    completed_at: str | None
    paid_at: str | None
    lines: Sequence[WrittenLine]
    shortages: Sequence[WrittenShortage]
    refund_needed: bool
    conflicts: Sequence[str]
    cause: WrittenCause | None
    internal: WrittenReservationInternal


class WrittenAcknowledgedLine(msgspec.Struct, frozen=True, gc=False):
    """Units of one line that an invoice has moved."""

    line_id: str
    warehouse_id: str
    sku: str
    quantity: int


class WrittenAcknowledgement(msgspec.Struct, frozen=True, gc=False):
    """The body of ``acknowledged-reservation``."""

    event_id: str
    account: str
    order_id: str
    version: int
    acknowledged_at: str
    invoice_id: str | None
    lines: Sequence[WrittenAcknowledgedLine]
    already_counted: Sequence[WrittenAcknowledgedLine]


class WrittenStockInternal(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What restoring a stock needs and no reader does; what is not there is left out."""

    cause: WrittenTracedCause | None = None
    counted_by: WrittenTracedCause | None = None
    limit_counted_at_ms: int | None = None
    unlimited_counted_at_ms: int | None = None
    settled_through: tuple[int, str] | None = None


class WrittenStock(msgspec.Struct, frozen=True, gc=False):
    """The body of ``stock-changed``."""

    event_id: str
    account: str
    warehouse_id: str
    sku: str
    version: int
    on_hand: int
    available: int
    authorized: int
    confirmed: int
    acknowledged: int
    limit: int
    unlimited: bool
    counted_at: str | None
    internal: WrittenStockInternal


_reservation_of_json = msgspec.json.Decoder(WrittenReservation).decode
_stock_of_json = msgspec.json.Decoder(WrittenStock).decode


def written_reservation(value: bytes) -> WrittenReservation:
    """Return the body of a record of ``reservation-changed``.

    Raises:
        NotWritten: no worker has written this.
    """
    return _reservation_of_json(value)


def written_stock(value: bytes) -> WrittenStock:
    """Return the body of a record of ``stock-changed``.

    Raises:
        NotWritten: no worker has written this.
    """
    return _stock_of_json(value)


def reservation_record(
    body: WrittenReservation,
    key: bytes,
    traceparent: str | None,
    partition: int,
    source: bytes,
) -> OutputRecord:
    """Return the record of a change of a reservation."""
    return OutputRecord(
        OutputTopic.RESERVATION_CHANGED,
        partition,
        key,
        _to_json(body),
        _headers(
            _RESERVATION_CHANGED_HEADER,
            body.event_id,
            key,
            body.account,
            body.occurred_at,
            traceparent,
            source,
        ),
    )


def acknowledgement_record(
    body: WrittenAcknowledgement,
    key: bytes,
    traceparent: str | None,
    partition: int,
    source: bytes,
) -> OutputRecord:
    """Return the record of what one invoice moved."""
    return OutputRecord(
        OutputTopic.ACKNOWLEDGED_RESERVATION,
        partition,
        key,
        _to_json(body),
        _headers(
            _ACKNOWLEDGED_RESERVATION_HEADER,
            body.event_id,
            key,
            body.account,
            body.acknowledged_at,
            traceparent,
            source,
        ),
    )


def stock_record(
    body: WrittenStock,
    key: bytes,
    occurred_at: str,
    traceparent: str | None,
    partition: int,
    source: bytes,
) -> OutputRecord:
    """Return the record of a stock after a step; ``occurred_at`` of the last fact of the step."""
    return OutputRecord(
        OutputTopic.STOCK_CHANGED,
        partition,
        key,
        _to_json(body),
        _headers(
            _STOCK_CHANGED_HEADER,
            body.event_id,
            key,
            body.account,
            occurred_at,
            traceparent,
            source,
        ),
    )


def _type_header(topic: OutputTopic) -> Header:
    return ("ce_type", EVENT_TYPE_OF[topic].encode())


_SPECIFICATION_HEADER: Final = ("ce_specversion", b"1.0")
_CONTENT_TYPE_HEADER: Final = ("content-type", b"application/json")
_RESERVATION_CHANGED_HEADER: Final = _type_header(OutputTopic.RESERVATION_CHANGED)
_ACKNOWLEDGED_RESERVATION_HEADER: Final = _type_header(OutputTopic.ACKNOWLEDGED_RESERVATION)
_STOCK_CHANGED_HEADER: Final = _type_header(OutputTopic.STOCK_CHANGED)


def _headers(
    type_header: Header,
    event_id: str,
    key: bytes,
    account: str,
    occurred_at: str,
    traceparent: str | None,
    source: bytes,
) -> tuple[Header, ...]:
    """Return the CloudEvents attributes of binary mode, in a fixed order."""
    headers = (
        _SPECIFICATION_HEADER,
        ("ce_id", event_id.encode()),
        ("ce_source", source),
        type_header,
        ("ce_subject", key),
        ("ce_time", occurred_at.encode()),
        ("ce_partitionkey", account.encode()),
        _CONTENT_TYPE_HEADER,
    )
    if traceparent is None:
        return headers
    return (*headers, ("traceparent", traceparent.encode()))
