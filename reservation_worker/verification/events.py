"""Published records as what a verification must know of them, and what each shows by itself."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from reservation_worker.contracts.instants import parse_instant_ms
from reservation_worker.contracts.records import OutputTopic, PublishedRecord
from reservation_worker.contracts.written import (
    NotWritten,
    WrittenReservation,
    WrittenStock,
    written_reservation,
    written_stock,
)
from reservation_worker.domain.keys import ReservationId, StockId, join_key, shard_of
from reservation_worker.domain.values import value_class
from reservation_worker.verification.differences import Check, Findings

DIGEST_BYTES: Final = 16
EVENT_ID_PARTS: Final = 3


@dataclass(frozen=True, slots=True)
class Packing:
    """How Redis has what is published: byte by byte."""

    reservation: Callable[[WrittenReservation], bytes]
    stock: Callable[[WrittenStock], bytes]


@value_class(frozen=True, slots=True)
class EventId:
    """Grows within a partition."""

    step: int
    index: int


@value_class(frozen=True, slots=True)
class Held:
    """Units that a reservation has in two buckets of a stock."""

    stock: str
    authorized: int
    confirmed: int


@value_class(frozen=True, slots=True)
class AcknowledgedUnits:
    """Acknowledged units of one line, in the bucket until a count has taken them out."""

    stock: str
    compared_at_ms: int
    member: str
    """Names them among those of the same date, as the cursor of a stock does."""
    units: int


@value_class(frozen=True, slots=True)
class ReservationEvent:
    """A reservation as of one change."""

    key: str
    event_id: EventId
    offset: int
    version: int
    digest: bytes
    held: tuple[Held, ...]
    acknowledged: tuple[AcknowledgedUnits, ...]


@value_class(frozen=True, slots=True)
class Removal:
    """A reservation that was removed after its retention."""

    key: str
    event_id: EventId | None
    offset: int


@value_class(frozen=True, slots=True)
class StockEvent:
    """A stock as of one step."""

    key: str
    event_id: EventId
    offset: int
    version: int
    digest: bytes
    authorized: int
    confirmed: int
    acknowledged: int
    counted_at_ms: int | None
    settled_through: tuple[int, str] | None


AnyEvent = ReservationEvent | StockEvent | Removal


def digest_of(packed: bytes) -> bytes:
    """Return what stands for packed bytes where they are not kept."""
    return blake2b(packed, digest_size=DIGEST_BYTES).digest()


def reservation_subject(key: str) -> str:
    """Name a reservation in a difference."""
    return f"reservation {key}"


def stock_subject(key: str) -> str:
    """Name a stock in a difference."""
    return f"stock {key}"


class EventReader:
    """Reads records of one shard, and judges each by itself."""

    def __init__(self, shards_total: int, packing: Packing, findings: Findings) -> None:
        self._shards_total = shards_total
        self._packing = packing
        self._findings = findings

    def read(self, record: PublishedRecord) -> AnyEvent | None:
        """Return what a record says; None, and a difference, if no worker has written it."""
        try:
            if record.topic is OutputTopic.STOCK_CHANGED:
                return self._stock(record)
            return self._reservation(record)
        except (NotWritten, ValueError):
            place = f"{record.topic.value}-{self._findings.shard}, offset {record.offset}"
            self._findings.differ(
                Check.EVENT_IDS,
                "shard",
                place,
                expected="what a worker writes",
                found="something else",
            )
            return None

    def _reservation(self, record: PublishedRecord) -> ReservationEvent | Removal:
        if record.value is None:
            step = EventId(record.step, 0) if record.step else None
            return Removal(record.key.decode(), step, record.offset)
        body = written_reservation(record.value)
        key = ReservationId(body.account, body.order_id).key
        event_id = self._place(record, key, body.account, body.event_id)
        self._judge_lines(key, body)
        return ReservationEvent(
            key,
            event_id,
            record.offset,
            body.version,
            digest_of(self._packing.reservation(body)),
            _held(body),
            tuple(
                [
                    AcknowledgedUnits(
                        StockId(body.account, line.warehouse_id, line.sku).key,
                        units.invoiced_at_ms,
                        join_key(body.order_id, str(units.line), str(units.units)),
                        units.units,
                    )
                    for units in body.internal.acknowledged
                    for line in body.lines[units.line : units.line + 1]
                ]
            ),
        )

    def _stock(self, record: PublishedRecord) -> StockEvent | None:
        if record.value is None:
            return None
        body = written_stock(record.value)
        key = StockId(body.account, body.warehouse_id, body.sku).key
        event_id = self._place(record, key, body.account, body.event_id)
        self._judge_buckets(key, body)
        return StockEvent(
            key,
            event_id,
            record.offset,
            body.version,
            digest_of(self._packing.stock(body)),
            body.authorized,
            body.confirmed,
            body.acknowledged,
            None if body.counted_at is None else parse_instant_ms(body.counted_at),
            body.internal.settled_through,
        )

    def _place(self, record: PublishedRecord, key: str, account: str, text: str) -> EventId:
        parts = text.split("-")
        if len(parts) != EVENT_ID_PARTS:
            raise ValueError(text)
        shard, step, index = map(int, parts)
        found = (shard, record.key.decode(), shard_of(account, self._shards_total))
        expected = (self._findings.shard, key, self._findings.shard)
        if found != expected:
            self._findings.differ(
                Check.EVENT_IDS, f"event {text}", "place", expected=expected, found=found
            )
        return EventId(step, index)

    def _judge_lines(self, key: str, body: WrittenReservation) -> None:
        self._findings.count(Check.LINES, len(body.lines))
        for line in body.lines:
            places = line.held + line.acknowledged + line.settled
            places += line.canceled + line.expired + line.denied
            if places != line.quantity:
                self._findings.differ(
                    Check.LINES,
                    reservation_subject(key),
                    f"units of line {line.line_id} in event {body.event_id}",
                    expected=line.quantity,
                    found=places,
                )

    def _judge_buckets(self, key: str, body: WrittenStock) -> None:
        self._findings.count(Check.BUCKETS)
        buckets = body.available + body.authorized + body.confirmed + body.acknowledged
        if buckets != body.on_hand:
            self._findings.differ(
                Check.BUCKETS,
                stock_subject(key),
                f"on_hand in event {body.event_id}",
                expected=buckets,
                found=body.on_hand,
            )


def _held(body: WrittenReservation) -> tuple[Held, ...]:
    """Return the units in the buckets: confirmed if the order is paid, else authorized."""
    is_paid = body.paid_at is not None
    return tuple(
        [
            Held(
                StockId(body.account, line.warehouse_id, line.sku).key,
                0 if is_paid else line.held,
                line.held if is_paid else 0,
            )
            for line in body.lines
            if line.held
        ]
    )
