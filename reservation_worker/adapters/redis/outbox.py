"""From an outbox entry, as the step has packed it, straight to the records that it becomes.

The same records as `contracts.encode` makes of the ledger's events: for every event that a real
server has ever packed in a test, byte by byte. Positions and codes are those of ``lua/wire.lua``.
"""

from collections.abc import Sequence
from typing import Any, Final

from reservation_worker.adapters.redis.records import (
    CONFLICTS,
    FIRST_LINE,
    KEPT_INVOICE,
    LINE_WIDTH,
    REASONS,
    STATUSES,
    Value,
    decode_array,
    groups,
    present,
)
from reservation_worker.contracts.encode import UNNAMED_SOURCE
from reservation_worker.contracts.instants import instant_text
from reservation_worker.contracts.records import OutputRecord
from reservation_worker.contracts.removed import orphan_record, tombstone_record
from reservation_worker.contracts.written import (
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
from reservation_worker.domain.keys import ReservationId, split_key, split_pair
from reservation_worker.domain.outcome import (
    AnyRemark,
    Reason,
    Remark,
    ReservationRemoved,
    ShortfallRemark,
    remark_on_removal,
)
from reservation_worker.domain.reservation import Status
from reservation_worker.ports import OutboxEntry

OUTBOX_FORMAT: Final = 4
_HEAD_WIDTH: Final = 6
_STOCK_HEAD_WIDTH: Final = 4
_REMOVAL_WIDTH: Final = 4
_STATUS_TEXTS: Final[tuple[Any, ...]] = tuple(
    None if status is None else status.value for status in STATUSES
)
"""None, code 0, only comes before a first version."""
_REASON_TEXTS: Final = tuple(reason.value for reason in REASONS)
_DEADLINE_REACHED: Final = 1 + REASONS.index(Reason.DEADLINE_REACHED)
_NOTHING_FOR_IT: Final = frozenset({Status.CANCELED, Status.EXPIRED, Status.DENIED})
"""With each of these no unit is held, acknowledged or settled."""
_NOTHING_RARE: Final = ((), (), (), False)
_NO_INTERNAL: Final = WrittenStockInternal()


def encode_outbox_entry(
    shard: int, step: int, packed: bytes, source: bytes = UNNAMED_SOURCE
) -> OutboxEntry[OutputRecord]:
    """Return the records of a step in the order in which they are published."""
    layout, change_heads, changes, stock_heads, stocks, removals, shortfalls = decode_array(packed)
    assert layout == OUTBOX_FORMAT, f"an outbox entry of another release: {layout}"
    entry = _Entry(shard, step, source)
    causes: list[Value] = [None]
    for head, (cause, reservation) in zip(
        groups(change_heads, _HEAD_WIDTH), groups(changes, 2), strict=True
    ):
        causes.append(cause)
        entry.add_change(head, cause, reservation)
    for (account, name, occurred_at_ms, change), (cause, stock) in zip(
        groups(stock_heads, _STOCK_HEAD_WIDTH), groups(stocks, 2), strict=True
    ):
        # The last change that touched the stock, else the balance that did.
        traced = causes[change] if change else cause
        entry.add_stock(account, name, occurred_at_ms, None if change else cause, traced, stock)
    if shortfalls:
        entry.remarks.append(ShortfallRemark(shortfalls))
    if removals:
        entry.add_removals(removals)
    return OutboxEntry(step, tuple(entry.records), tuple(entry.remarks))


class _Entry:
    """Collects the records of one step, and numbers them."""

    def __init__(self, shard: int, step: int, source: bytes) -> None:
        self.records: list[OutputRecord] = []
        self.remarks: list[AnyRemark] = []
        self._shard = shard
        self._source = source
        self._prefix = f"{shard}-{step}-"

    def add_change(self, head: Sequence[Any], cause: Value, packed: list[Any]) -> None:
        key, status_before, status, reason, occurred_at_ms, rare = head
        account, order_id = split_pair(key)
        paid_at_ms = packed[3]
        lines = _lines(packed)
        refund_needed = paid_at_ms is not False and STATUSES[status] in _NOTHING_FOR_IT
        shortages, conflicts, acknowledgements, is_payment_named = rare or _NOTHING_RARE
        traceparent = cause[4] or None if cause else None
        encoded_key = key.encode()
        body = WrittenReservation(
            f"{self._prefix}{len(self.records)}",
            account,
            order_id,
            packed[0],
            _STATUS_TEXTS[status],
            _STATUS_TEXTS[status_before],
            _REASON_TEXTS[reason - 1],
            instant_text(occurred_at_ms),
            instant_text(int(packed[2])) if packed[2] else None,
            None if packed[1] is False else instant_text(packed[1]),
            None if paid_at_ms is False else instant_text(paid_at_ms),
            lines,
            _shortages(shortages) if shortages else (),
            refund_needed,
            [CONFLICTS[code - 1].value for code in conflicts] if conflicts else (),
            WrittenCause(cause[0], cause[1], cause[2], cause[3] or None) if cause else None,
            _reservation_internal(packed),
        )
        self.records.append(
            reservation_record(body, encoded_key, traceparent, self._shard, self._source)
        )
        is_refund_new = refund_needed and not is_payment_named
        if shortages or conflicts or is_refund_new or reason == _DEADLINE_REACHED:
            remark = Remark(
                REASONS[reason - 1],
                STATUSES[status_before],
                bool(shortages),
                tuple([CONFLICTS[code - 1] for code in conflicts]),
                is_refund_new,
            )
            self.remarks.append(remark)
        for acknowledged_at_ms, invoice_id, units, already_counted in acknowledgements:
            acknowledgement = WrittenAcknowledgement(
                f"{self._prefix}{len(self.records)}",
                account,
                order_id,
                packed[0],
                instant_text(acknowledged_at_ms),
                invoice_id or None,
                _acknowledged_lines(lines, units),
                _acknowledged_lines(lines, already_counted),
            )
            self.records.append(
                acknowledgement_record(
                    acknowledgement, encoded_key, traceparent, self._shard, self._source
                )
            )

    def add_stock(
        self,
        account: str,
        name: str,
        occurred_at_ms: int,
        cause: Value,
        traced: Value,
        packed: list[list[Any]],
    ) -> None:
        values, counts = packed
        version, on_hand, authorized, confirmed, acknowledged, limit, unlimited, counted_at_ms = (
            values
        )
        body = WrittenStock(
            f"{self._prefix}{len(self.records)}",
            split_key(account)[0],
            *split_pair(name),
            version,
            on_hand,
            on_hand - authorized - confirmed - acknowledged,
            authorized,
            confirmed,
            acknowledged,
            limit,
            unlimited,
            None if counted_at_ms is False else instant_text(counted_at_ms),
            _stock_internal(counts, cause),
        )
        traceparent = traced[4] or None if traced else None
        key = f"{account}/{name}".encode()
        occurred_at = instant_text(occurred_at_ms)
        self.records.append(
            stock_record(body, key, occurred_at, traceparent, self._shard, self._source)
        )

    def add_removals(self, packed: list[Any]) -> None:
        letters: list[OutputRecord] = []
        for key, code, removed_at_ms, early_facts in groups(packed, _REMOVAL_WIDTH):
            status = STATUSES[code]
            assert status is not None, "what is removed was there"
            removed = ReservationRemoved(
                ReservationId(*split_pair(key)),
                status,
                removed_at_ms,
                tuple(groups(early_facts, 3)) if early_facts else (),
            )
            event_id = f"{self._prefix}{len(self.records)}"
            self.records.append(tombstone_record(removed, event_id, self._shard, self._source))
            self.remarks.append(remark_on_removal(removed))
            if removed.early_facts:
                letters.append(orphan_record(removed))
        self.records += letters


def _lines(packed: list[Any]) -> list[WrittenLine]:
    return [
        WrittenLine(line_id, *split_pair(name), *units)
        for line_id, name, *units in groups(packed[FIRST_LINE:], LINE_WIDTH)
    ]


def _shortages(packed: list[Any]) -> list[WrittenShortage]:
    return [
        WrittenShortage(*split_pair(name), requested, available, unknown)
        for name, requested, available, unknown in packed
    ]


def _acknowledged_lines(
    lines: list[WrittenLine], units: list[int]
) -> list[WrittenAcknowledgedLine]:
    return [
        WrittenAcknowledgedLine(line.line_id, line.warehouse_id, line.sku, quantity)
        for index, quantity in groups(units, 2)
        for line in (lines[index],)
    ]


def _reservation_internal(packed: list[Any]) -> WrittenReservationInternal:
    payment_id, digest, acknowledged, invoices, cancellations, conflicts, kept, early = packed[
        4:FIRST_LINE
    ]
    return WrittenReservationInternal(
        digest or None,
        payment_id or None,
        [WrittenAcknowledgedUnits(*group) for group in groups(acknowledged, 3)]
        if acknowledged
        else (),
        _remembered(invoices) if invoices else (),
        _remembered(cancellations) if cancellations else (),
        conflicts or (),
        [_kept(*one) for one in kept] if kept else (),
        [WrittenCoordinates(*one) for one in groups(early, 3)] if early else (),
    )


def _remembered(documents: list[Any]) -> list[WrittenRemembered]:
    return [
        WrittenRemembered(present(document_id), digest)
        for document_id, digest in groups(documents, 2)
    ]


def _kept(
    kind: int, document_id: Value, at_ms: Value, units: list[Any], compared_at_ms: Value = None
) -> WrittenKept:
    lines = [WrittenUnits(line_id, quantity) for line_id, quantity in groups(units, 2)]
    if kind == KEPT_INVOICE:
        return WrittenKeptInvoice(present(document_id), at_ms, lines, compared_at_ms)
    return WrittenKeptCancellation(present(document_id), lines)


def _stock_internal(counts: list[Any], cause: Value) -> WrittenStockInternal:
    limit_counted_at_ms, unlimited_counted_at_ms, counted_by, settled_at_ms, settled_member = counts
    if not (cause or any(counts)):
        return _NO_INTERNAL
    return WrittenStockInternal(
        _traced_cause(cause) if cause else None,
        _traced_cause(counted_by) if counted_by else None,
        present(limit_counted_at_ms),
        present(unlimited_counted_at_ms),
        None if settled_at_ms is False else (settled_at_ms, settled_member),
    )


def _traced_cause(packed: list[Any]) -> WrittenTracedCause:
    topic, partition, offset, event_id, traceparent = packed
    return WrittenTracedCause(topic, partition, offset, present(event_id), present(traceparent))
