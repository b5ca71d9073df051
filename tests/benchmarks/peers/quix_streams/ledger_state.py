"""Orders and stocks of one account as JSON in a key-value state, and the ledger on top."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from reservation_worker.domain.facts import (
    BalanceCounted,
    Cause,
    Coordinates,
    Fact,
    LineUnits,
    OrderCompleted,
    ReservationSettlementDue,
    StockSettlementDue,
    reservation_id_of,
    stock_id_of,
)
from reservation_worker.domain.keys import ReservationId, StockId, shard_of
from reservation_worker.domain.ledger import Outcome, decide
from reservation_worker.domain.outcome import PublishedEvent, StockChanged
from reservation_worker.domain.reservation import (
    AcknowledgedUnits,
    Kept,
    KeptCancellation,
    KeptInvoice,
    Line,
    Remembered,
    Reservation,
)
from reservation_worker.domain.stock import AcknowledgedEntry, Stock


class StoredKept(msgspec.Struct, frozen=True, array_like=True):
    """A kept invoice, or a cancellation where there is no date."""

    id: str | None
    invoiced_at_ms: int | None
    compared_at_ms: int | None
    lines: tuple[LineUnits, ...]


class StoredReservation(msgspec.Struct, frozen=True, omit_defaults=True):
    """A reservation without its id, which is its key."""

    version: int
    completed_at_ms: int | None = None
    expires_at_ms: int | None = None
    paid_at_ms: int | None = None
    payment_id: str | None = None
    order_digest: str | None = None
    lines: tuple[Line, ...] = ()
    acknowledged: tuple[AcknowledgedUnits, ...] = ()
    invoices: tuple[Remembered, ...] = ()
    cancellations: tuple[Remembered, ...] = ()
    conflicts: tuple[str, ...] = ()
    kept: tuple[StoredKept, ...] = ()
    early_facts: tuple[Coordinates, ...] = ()


class StoredStock(msgspec.Struct, frozen=True, omit_defaults=True):
    """A stock without its id, which is its key, and the version that is published of it."""

    version: int = 0
    on_hand: int = 0
    authorized: int = 0
    confirmed: int = 0
    acknowledged: int = 0
    limit: int = 0
    unlimited: bool = False
    counted_at_ms: int | None = None
    limit_counted_at_ms: int | None = None
    unlimited_counted_at_ms: int | None = None
    counted_by: Cause | None = None
    settled_through: tuple[int, str] | None = None
    entries: tuple[AcknowledgedEntry, ...] = ()


State = Any
"""``quixstreams.state.State``: get, set, get_bytes and set_bytes of one account."""
STEP: Final = "step"
_to_json = msgspec.json.Encoder().encode
_reservation_of = msgspec.json.Decoder(StoredReservation).decode
_stock_of = msgspec.json.Decoder(StoredStock).decode


class AccountLedger:
    """Decides the facts of one account on its state."""

    def __init__(self, state: State, account: str, shards_total: int) -> None:
        self._state = state
        self.shard = shard_of(account, shards_total)
        self._versions: dict[StockId, int] = {}

    def step(self, fact: Fact) -> tuple[Outcome, int, Sequence[PublishedEvent]]:
        """Let a fact take effect; return its outcome, the step's number and its events."""
        reservations: dict[ReservationId, Reservation] = {}
        stock_ids: list[StockId] = []
        if isinstance(fact, BalanceCounted | StockSettlementDue | ReservationSettlementDue):
            stock_ids.append(stock_id_of(fact))
        if not isinstance(fact, BalanceCounted | StockSettlementDue):
            reservation_id = reservation_id_of(fact)
            reservation = self._reservation(reservation_id)
            lines: Sequence[Any] = fact.lines if isinstance(fact, OrderCompleted) else ()
            if reservation is not None:
                reservations[reservation_id] = reservation
                lines = [*lines, *reservation.lines]
            stock_ids += [StockId(fact.account, line.warehouse_id, line.sku) for line in lines]
        stocks = {one: stock for one in stock_ids if (stock := self._stock(one)) is not None}
        outcome = decide(stocks, reservations, fact)
        events = self._events(fact, outcome)
        if not events:
            return outcome, 0, events
        number: int = self._state.get(STEP, 0) + 1
        self._state.set(STEP, number)
        if outcome.change is not None:
            self._put_reservation(outcome.change.reservation)
        return outcome, number, events

    def _events(self, fact: Fact, outcome: Outcome) -> Sequence[PublishedEvent]:
        events: list[PublishedEvent] = []
        if outcome.change is not None:
            events += [outcome.change, *outcome.acknowledgements]
        for stock in outcome.stocks:
            version = self._versions.get(stock.id, 0) + 1
            self._put_stock(stock, version)
            cause = None if outcome.change is None else outcome.change.cause
            balance = fact.cause if isinstance(fact, BalanceCounted) else None
            if isinstance(fact, StockSettlementDue):
                balance = stock.counted_by
            events.append(
                StockChanged(
                    stock,
                    version,
                    _occurred_at_ms(fact, outcome, stock),
                    balance,
                    (cause or balance or _NO_CAUSE).traceparent,
                )
            )
        return events

    # ---- the state

    def _reservation(self, reservation_id: ReservationId) -> Reservation | None:
        found = self._state.get_bytes(f"r/{reservation_id.order_id}")
        if found is None:
            return None
        stored = _reservation_of(found)
        values = {name: getattr(stored, name) for name in _OF_RESERVATION}
        return Reservation(
            **{**values, "id": reservation_id, "kept": tuple(_kept(one) for one in stored.kept)}
        )

    def _put_reservation(self, reservation: Reservation) -> None:
        values = {name: getattr(reservation, name) for name in _OF_RESERVATION}
        stored = StoredReservation(
            **{**values, "kept": tuple(_stored_kept(one) for one in reservation.kept)}
        )
        self._state.set_bytes(f"r/{reservation.id.order_id}", _to_json(stored))

    def _stock(self, stock_id: StockId) -> Stock | None:
        found = self._state.get_bytes(f"s/{stock_id.key}")
        if found is None:
            return None
        stored = _stock_of(found)
        self._versions[stock_id] = stored.version
        return Stock(stock_id, *(getattr(stored, name) for name in _OF_STOCK))

    def _put_stock(self, stock: Stock, version: int) -> None:
        stored = StoredStock(version, *(getattr(stock, name) for name in _OF_STOCK))
        self._state.set_bytes(f"s/{stock.id.key}", _to_json(stored))


_OF_RESERVATION: Final = StoredReservation.__struct_fields__
_OF_STOCK: Final = StoredStock.__struct_fields__[1:]
_NO_CAUSE: Final = Cause("", 0, 0)


def _occurred_at_ms(fact: Fact, outcome: Outcome, stock: Stock) -> int:
    if outcome.change is not None:
        return outcome.change.occurred_at_ms
    if isinstance(fact, BalanceCounted):
        return fact.counted_at_ms
    return stock.counted_at_ms or 0


def _kept(stored: StoredKept) -> Kept:
    if stored.invoiced_at_ms is None or stored.compared_at_ms is None:
        return KeptCancellation(stored.id, stored.lines)
    return KeptInvoice(stored.id, stored.invoiced_at_ms, stored.compared_at_ms, stored.lines)


def _stored_kept(kept: Kept) -> StoredKept:
    if isinstance(kept, KeptInvoice):
        return StoredKept(kept.invoice_id, kept.invoiced_at_ms, kept.compared_at_ms, kept.lines)
    return StoredKept(kept.cancellation_id, None, None, kept.lines)
