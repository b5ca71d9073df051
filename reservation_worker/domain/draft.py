"""A working copy of one reservation and its stocks, in which a decision moves units.

Nothing outside sees a draft: `ledger` takes one, moves units, and gives back frozen values. The
moves here keep the two laws by construction: a unit leaves one place of its line for exactly one
other, and the stock's buckets follow.
"""

from bisect import insort
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Self

from reservation_worker.domain.facts import Cause, Coordinates, LineUnits, OrderLine
from reservation_worker.domain.keys import StockId
from reservation_worker.domain.outcome import Conflict, Shortage
from reservation_worker.domain.reservation import (
    AcknowledgedUnits,
    Kept,
    KeptInvoice,
    Line,
    Remembered,
    Reservation,
)
from reservation_worker.domain.stock import AcknowledgedEntry, Stock


@dataclass(slots=True)
class DraftLine:
    """A line whose units can be moved."""

    line_id: str
    stock_id: StockId
    quantity: int
    held: int = 0
    acknowledged: int = 0
    settled: int = 0
    canceled: int = 0
    expired: int = 0
    denied: int = 0

    @property
    def movable(self) -> int:
        """Units that an invoice or a cancellation can still move."""
        return self.held + self.expired + self.denied

    @property
    def gone(self) -> int:
        """Units that have left the physical inventory."""
        return self.acknowledged + self.settled


@dataclass(slots=True)
class DraftAcknowledgement:
    """What one invoice moved: units by line index."""

    invoice: KeptInvoice
    units: dict[int, int] = field(default_factory=dict)
    already_counted: dict[int, int] = field(default_factory=dict)

    def copied(self) -> "DraftAcknowledgement":
        """Return one that can go on by itself."""
        return DraftAcknowledgement(self.invoice, dict(self.units), dict(self.already_counted))


class Draft:
    """Everything that one fact may change of a reservation and its stocks."""

    def __init__(self, reservation: Reservation, stocks: Mapping[StockId, Stock]) -> None:
        account = reservation.id.account
        self.before = reservation
        self.completed_at_ms = reservation.completed_at_ms
        self.expires_at_ms = reservation.expires_at_ms
        self.paid_at_ms = reservation.paid_at_ms
        self.payment_id = reservation.payment_id
        self.order_digest = reservation.order_digest
        self.lines = [
            DraftLine(
                line.line_id,
                StockId(account, line.warehouse_id, line.sku),
                line.quantity,
                line.held,
                line.acknowledged,
                line.settled,
                line.canceled,
                line.expired,
                line.denied,
            )
            for line in reservation.lines
        ]
        self.acknowledged = {
            (units.line_index, units.compared_at_ms): units.units
            for units in reservation.acknowledged
        }
        self.invoices = reservation.invoices
        self.cancellations = reservation.cancellations
        self.remembered_conflicts = reservation.conflicts
        self.kept: tuple[Kept, ...] = reservation.kept
        self.conflicts: set[Conflict] = set()
        self.shortages: tuple[Shortage, ...] = ()
        self.acknowledgements: list[DraftAcknowledgement] = []
        self._stocks_before = stocks
        self._stocks: dict[StockId, Stock] = {}

    # ---- what the decisions ask

    @property
    def is_known(self) -> bool:
        """The order itself has come."""
        return self.completed_at_ms is not None

    @property
    def is_paid(self) -> bool:
        """A payment has come."""
        return self.paid_at_ms is not None

    @property
    def has_open_units(self) -> bool:
        """Some units are expired or denied: they could be held again."""
        return any(line.expired or line.denied for line in self.lines)

    @property
    def has_gone_units(self) -> bool:
        """Some units have left the physical inventory."""
        return any(line.gone for line in self.lines)

    def line_index(self, line_id: str) -> int | None:
        """Return the position of a line, or None if the order does not have it."""
        return next((i for i, line in enumerate(self.lines) if line.line_id == line_id), None)

    def named_units(self, lines: tuple[LineUnits, ...]) -> list[tuple[int, int]]:
        """Return (line index, units) of the named lines that exist; none named: all movable."""
        if not lines:
            return [(i, line.movable) for i, line in enumerate(self.lines) if line.movable]
        found = ((self.line_index(line.line_id), line.quantity) for line in lines)
        return [(index, units) for index, units in found if index is not None]

    def compared_at_ms(self, invoice: KeptInvoice) -> int:
        """Return what is compared with counts: goods cannot leave before they are sold."""
        assert self.completed_at_ms is not None, "an invoice moves units of an order that is known"
        return max(invoice.compared_at_ms, self.completed_at_ms)

    def stock(self, stock_id: StockId) -> Stock:
        """Return a stock as the draft has it; one never heard of is empty."""
        return self._stocks.get(stock_id) or self._stocks_before.get(stock_id) or Stock(id=stock_id)

    def shortages_since(self, earlier: Self) -> tuple[Shortage, ...]:
        """Return the stocks that cannot give what this draft holds more than an earlier one.

        Demand is summed per stock before it is checked.
        """
        return tuple(
            Shortage(stock_id, demand, before.sellable, before.counted_at_ms is None)
            for stock_id, after in self._stocks.items()
            if (before := earlier.stock(stock_id))
            and (demand := before.available - after.available) > 0
            and not before.can_hold(demand)
        )

    # ---- trying something out

    def trial(self) -> Self:
        """Return a copy that can be adopted or thrown away."""
        other = copy(self)
        other.lines = [copy(line) for line in self.lines]
        other.acknowledged = dict(self.acknowledged)
        other.conflicts = set(self.conflicts)
        other.acknowledgements = [done.copied() for done in self.acknowledgements]
        other.__dict__["_stocks"] = dict(self._stocks)
        return other

    def adopt(self, trial: Self) -> None:
        """Become what was tried out."""
        self.__dict__.update(trial.__dict__)

    # ---- moves

    def open_order(self, lines: tuple[OrderLine, ...]) -> None:
        """Take the order's lines; until they are held, all units count as denied."""
        account = self.before.id.account
        self.lines = [
            DraftLine(
                line.line_id,
                StockId(account, line.warehouse_id, line.sku),
                line.quantity,
                denied=line.quantity,
            )
            for line in lines
        ]

    def hold_open_units(self) -> None:
        """Hold every expired and denied unit, whether the stocks can give them or not."""
        for line in self.lines:
            units = line.expired + line.denied
            if units:
                line.expired = line.denied = 0
                line.held += units
                self._move_held_bucket(line.stock_id, units)

    def confirm_held_units(self, paid_at_ms: int, payment_id: str | None) -> None:
        """Mark the order paid; its held units move from ``authorized`` to ``confirmed``."""
        self.paid_at_ms, self.payment_id = paid_at_ms, payment_id
        for line in self.lines:
            if line.held:
                stock = self.stock(line.stock_id)
                self._put(stock.moved(authorized=-line.held, confirmed=line.held))

    def expire_held_units(self) -> None:
        """Give every held unit back as expired."""
        for line in self.lines:
            if line.held:
                self._move_held_bucket(line.stock_id, -line.held)
                line.expired, line.held = line.expired + line.held, 0

    def cancel_units(self, index: int, units: int) -> None:
        """Cancel movable units: held ones are given back, the others touch no stock."""
        line = self.lines[index]
        from_held = min(units, line.held)
        if from_held:
            line.held -= from_held
            self._move_held_bucket(line.stock_id, -from_held)
        self._take_open_units(line, units - from_held)
        line.canceled += units

    def acknowledge_held_units(self, index: int, units: int, into: DraftAcknowledgement) -> None:
        """Hand held units to delivery."""
        line = self.lines[index]
        line.held -= units
        self._move_held_bucket(line.stock_id, -units)
        self._hand_over(index, units, into)

    def acknowledge_open_units(self, index: int, units: int, into: DraftAcknowledgement) -> None:
        """Hold expired or denied units again and hand them to delivery, in one move."""
        self._take_open_units(self.lines[index], units)
        self._hand_over(index, units, into)

    def settle_released_units(self, stock: Stock) -> bool:
        """Settle the units that a balance has taken out of a stock; tell whether there were any."""
        order_id = self.before.id.order_id
        released = [
            (index, compared_at_ms)
            for (index, compared_at_ms), units in self.acknowledged.items()
            if self.lines[index].stock_id == stock.id
            and stock.has_released(AcknowledgedEntry(compared_at_ms, order_id, index, units))
        ]
        for key in released:
            units = self.acknowledged.pop(key)
            line = self.lines[key[0]]
            line.acknowledged -= units
            line.settled += units
        return bool(released)

    def _hand_over(self, index: int, units: int, into: DraftAcknowledgement) -> None:
        line = self.lines[index]
        compared_at_ms = self.compared_at_ms(into.invoice)
        stock = self.stock(line.stock_id)
        if stock.covers(compared_at_ms):
            line.settled += units
            into.already_counted[index] = into.already_counted.get(index, 0) + units
            return
        line.acknowledged += units
        into.units[index] = into.units.get(index, 0) + units
        order_id = self.before.id.order_id
        key = (index, compared_at_ms)
        earlier = self.acknowledged.get(key, 0)
        self.acknowledged[key] = earlier + units
        entries = [
            entry
            for entry in stock.entries
            if not earlier or entry != AcknowledgedEntry(compared_at_ms, order_id, index, earlier)
        ]
        entry = AcknowledgedEntry(compared_at_ms, order_id, index, earlier + units)
        insort(entries, entry, key=lambda one: one.place)
        self._put(replace(stock, acknowledged=stock.acknowledged + units, entries=tuple(entries)))

    def _take_open_units(self, line: DraftLine, units: int) -> None:
        from_expired = min(units, line.expired)
        line.expired -= from_expired
        line.denied -= units - from_expired
        assert line.denied >= 0, "more units were moved than the line has"

    def _move_held_bucket(self, stock_id: StockId, units: int) -> None:
        stock = self.stock(stock_id)
        self._put(stock.moved(confirmed=units) if self.is_paid else stock.moved(authorized=units))

    def _put(self, stock: Stock) -> None:
        self._stocks[stock.id] = stock

    # ---- the result

    def changed_stocks(self) -> tuple[Stock, ...]:
        """Return the stocks that are not as they were."""
        return tuple(
            stock
            for stock_id, stock in self._stocks.items()
            if stock != (self._stocks_before.get(stock_id) or Stock(id=stock_id))
        )

    def finished(self, cause: Cause | None) -> Reservation:
        """Return the reservation after the change, one version later."""
        after = replace(
            self.before,
            version=self.before.version + 1,
            completed_at_ms=self.completed_at_ms,
            paid_at_ms=self.paid_at_ms,
            payment_id=self.payment_id,
            order_digest=self.order_digest,
            lines=tuple(
                Line(
                    line.line_id,
                    line.stock_id.warehouse_id,
                    line.stock_id.sku,
                    line.quantity,
                    line.held,
                    line.acknowledged,
                    line.settled,
                    line.canceled,
                    line.expired,
                    line.denied,
                )
                for line in self.lines
            ),
            acknowledged=tuple(
                AcknowledgedUnits(index, compared_at_ms, units)
                for (index, compared_at_ms), units in self.acknowledged.items()
            ),
            invoices=self.invoices,
            cancellations=self.cancellations,
            conflicts=self.remembered_conflicts,
            kept=self._still_of_use(),
            early_facts=self._early_facts(cause),
        )
        holds_unpaid = not self.is_paid and any(line.held for line in self.lines)
        return replace(after, expires_at_ms=self.expires_at_ms if holds_unpaid else None)

    def _early_facts(self, cause: Cause | None) -> tuple[Coordinates, ...]:
        """Remember where facts stand until their order comes: if it never does, that is told."""
        if self.is_known or cause is None:
            return ()
        return (*self.before.early_facts, cause.coordinates)

    def _still_of_use(self) -> tuple[Kept, ...]:
        """Drop what can never take effect: none of its units can be held again."""
        if not self.is_known:
            return self.kept
        return tuple(
            one
            for one in self.kept
            if self.has_open_units and (not one.lines or self._names_open_units(one.lines))
        )

    def _names_open_units(self, lines: tuple[LineUnits, ...]) -> bool:
        named = (self.line_index(line.line_id) for line in lines)
        return any(
            index is not None and (self.lines[index].expired or self.lines[index].denied)
            for index in named
        )

    def remember_invoice(self, invoice_id: str | None, digest: str) -> None:
        """Remember that an invoice has been seen."""
        self.invoices = (*self.invoices, Remembered(invoice_id, digest))

    def remember_cancellation(self, cancellation_id: str | None, digest: str) -> None:
        """Remember that a cancellation has been seen."""
        self.cancellations = (*self.cancellations, Remembered(cancellation_id, digest))
