"""Published records, read back as the events of the domain that they were made of."""

from collections.abc import Mapping
from typing import assert_never

from reservation_worker.contracts.instants import parse_instant_ms
from reservation_worker.contracts.outputs import (
    AcknowledgedReservationBody,
    ReservationChangedBody,
    StockChangedBody,
    parse_output,
)
from reservation_worker.contracts.records import EVENT_TOPICS, OutputRecord
from reservation_worker.contracts.restore import (
    restore_reservation_changed,
    restore_stock_changed,
    restore_units_acknowledged,
)
from reservation_worker.domain.keys import ReservationId, split_pair
from reservation_worker.domain.outcome import PublishedEvent
from reservation_worker.ports import OutboxEntry


def restored(record: OutputRecord) -> PublishedEvent:
    """Return the event that a record was made of, but for what no reader is told."""
    headers: Mapping[str, bytes] = dict(record.headers)
    traceparent = headers["traceparent"].decode() if "traceparent" in headers else None
    assert record.value is not None, "a tombstone has no body"
    body = parse_output(record.topic, record.value)
    match body:
        case ReservationChangedBody():
            return restore_reservation_changed(body, traceparent)
        case AcknowledgedReservationBody():
            return restore_units_acknowledged(body)
        case StockChangedBody():
            occurred_at_ms = parse_instant_ms(headers["ce_time"].decode())
            return restore_stock_changed(body, occurred_at_ms, traceparent)
        case _:
            assert_never(body)


def events_of(entry: OutboxEntry[OutputRecord]) -> tuple[PublishedEvent, ...]:
    """Return what one step publishes, in order; without tombstones and dead letters."""
    return tuple(
        restored(record)
        for record in entry.records
        if record.value is not None and record.topic in EVENT_TOPICS
    )


def removed_by(entry: OutboxEntry[OutputRecord]) -> tuple[ReservationId, ...]:
    """Return the reservations of the tombstones of one step, in order."""
    keys = (record.key.decode() for record in entry.records if record.value is None)
    return tuple(ReservationId(*split_pair(key)) for key in keys)
