"""From a published record back to what a step has packed: the way of `outbox.py`, the other way.

Positions and codes are those of ``lua/wire.lua``; what Redis held before is what it gets, byte by
byte. An absent value is False.
"""

from collections.abc import Iterable, Sequence

import msgspec

from reservation_worker.adapters.redis.records import KEPT_CANCELLATION, KEPT_INVOICE, Value
from reservation_worker.contracts.instants import parse_instant_ms
from reservation_worker.contracts.written import (
    WrittenKept,
    WrittenKeptInvoice,
    WrittenReservation,
    WrittenStock,
    WrittenTracedCause,
    written_reservation,
    written_stock,
)
from reservation_worker.domain.keys import join_key

_pack = msgspec.msgpack.Encoder().encode


def pack_published_reservation(value: bytes) -> bytes:
    """Return the packed reservation of a record of ``reservation-changed``.

    Raises:
        NotWritten: no worker has written this.
        ValueError: a time in it is none.
    """
    return pack_reservation_body(written_reservation(value))


def pack_change(value: bytes, record_at_ms: int) -> tuple[bytes, int]:
    """Return the packed reservation of a record, and when it changed, not too early.

    The record's own timestamp is that of its publisher's clock, which may have been behind; then
    the fact's time is nearer to the truth.

    Raises:
        NotWritten: no worker has written this.
        ValueError: a time in it is none.
    """
    body = written_reservation(value)
    return pack_reservation_body(body), max(record_at_ms, parse_instant_ms(body.occurred_at))


def pack_reservation_body(body: WrittenReservation) -> bytes:
    """Return the packed reservation of a body.

    Raises:
        ValueError: a time in it is none.
    """
    internal = body.internal
    packed: list[Value] = [
        body.version,
        _instant(body.completed_at),
        False if body.expires_at is None else str(parse_instant_ms(body.expires_at)),
        _instant(body.paid_at),
        _present(internal.payment_id),
        _present(internal.order_digest),
        _flat((one.line, one.invoiced_at_ms, one.units) for one in internal.acknowledged),
        _flat((_present(one.id), one.digest) for one in internal.invoices),
        _flat((_present(one.id), one.digest) for one in internal.cancellations),
        list(internal.conflicts) or False,
        [_kept(one) for one in internal.kept] or False,
        _flat((one.topic, one.partition, one.offset) for one in internal.early_facts),
    ]
    for line in body.lines:
        packed += (
            line.line_id,
            join_key(line.warehouse_id, line.sku),
            *(line.quantity, line.held, line.acknowledged, line.settled),
            *(line.canceled, line.expired, line.denied),
        )
    return _pack(packed)


def pack_published_stock(value: bytes) -> bytes:
    """Return the packed stock of a record of ``stock-changed``.

    Raises:
        NotWritten: no worker has written this.
        ValueError: a time in it is none.
    """
    return pack_stock_body(written_stock(value))


def pack_stock_body(body: WrittenStock) -> bytes:
    """Return the packed stock of a body.

    Raises:
        ValueError: a time in it is none.
    """
    internal = body.internal
    settled_at_ms, settled_member = internal.settled_through or (False, False)
    values = (
        *(body.version, body.on_hand, body.authorized, body.confirmed, body.acknowledged),
        *(body.limit, body.unlimited, _instant(body.counted_at)),
    )
    counts = (
        _present(internal.limit_counted_at_ms),
        _present(internal.unlimited_counted_at_ms),
        _cause(internal.counted_by),
        *(settled_at_ms, settled_member),
    )
    return _pack((values, counts))


def _present(value: Value) -> Value:
    return False if value is None else value


def _instant(text: str | None) -> int | bool:
    return False if text is None else parse_instant_ms(text)


def _flat(parts: Iterable[Sequence[Value]]) -> list[Value] | bool:
    return [value for part in parts for value in part] or False


def _kept(kept: WrittenKept) -> list[Value]:
    lines = _flat((line.line_id, line.quantity) for line in kept.lines) or []
    if isinstance(kept, WrittenKeptInvoice):
        compared_at_ms = kept.at_ms if kept.compared_at_ms is None else kept.compared_at_ms
        return [KEPT_INVOICE, _present(kept.id), kept.at_ms, lines, compared_at_ms]
    return [KEPT_CANCELLATION, _present(kept.id), False, lines]


def _cause(cause: WrittenTracedCause | None) -> list[Value] | bool:
    if cause is None:
        return False
    return [
        *(cause.topic, cause.partition, cause.offset),
        *(_present(cause.event_id), _present(cause.traceparent)),
    ]
