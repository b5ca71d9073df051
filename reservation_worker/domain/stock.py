"""The units of one sku in one warehouse, and the buckets they are in."""

from dataclasses import replace

from reservation_worker.domain.facts import Cause
from reservation_worker.domain.keys import StockId, join_key
from reservation_worker.domain.values import value_class


@value_class(frozen=True, slots=True)
class AcknowledgedEntry:
    """Acknowledged units of one order line with one date, still counted in ``on_hand``."""

    compared_at_ms: int
    """A count from then on no longer has them."""
    order_id: str
    line_index: int
    """Position of the line in its order, from 0."""
    units: int

    @property
    def member(self) -> str:
        """``order_id/line_index/units``: names the entry among those of the same date."""
        return join_key(self.order_id, str(self.line_index), str(self.units))

    @property
    def place(self) -> tuple[int, str]:
        """Entries of a stock are settled in this order, and a cursor is one such place."""
        return (self.compared_at_ms, self.member)


@value_class(frozen=True, slots=True)
class Stock:
    """Every unit of ``on_hand`` is in exactly one bucket; ``available`` is what is left."""

    id: StockId
    on_hand: int = 0
    authorized: int = 0
    confirmed: int = 0
    acknowledged: int = 0
    limit: int = 0
    """Above 0: a safety stock never sold. Below 0: how far the stock may be backordered."""
    unlimited: bool = False
    counted_at_ms: int | None = None
    limit_counted_at_ms: int | None = None
    """``counted_at`` of the balance that ``limit`` came with."""
    unlimited_counted_at_ms: int | None = None
    """``counted_at`` of the balance that ``unlimited`` came with."""
    counted_by: Cause | None = None
    """The record of the balance that ``on_hand`` came with."""
    settled_through: tuple[int, str] | None = None
    """Cursor: set while the balance covers acknowledged entries that are still in the bucket.

    Entries dated up to ``counted_at_ms`` have left the bucket up to this place; all have when it
    is None.
    """
    entries: tuple[AcknowledgedEntry, ...] = ()
    """What makes up ``acknowledged``, in the order of `AcknowledgedEntry.place`."""

    @property
    def available(self) -> int:
        """Units that are in no other bucket; below 0 after a shortfall or a backorder."""
        return self.on_hand - self.authorized - self.confirmed - self.acknowledged

    @property
    def sellable(self) -> int:
        """Units that could be held now, `unlimited` aside: never below 0."""
        return max(0, self.available - self.limit)

    def can_hold(self, demand: int) -> bool:
        """Tell whether this many more units may be held."""
        return self.unlimited or self.available - self.limit >= demand

    @property
    def is_short(self) -> bool:
        """Fewer were counted than are held, backorders aside: somebody will go without.

        While a settlement goes on, nobody knows.
        """
        if self.unlimited or self.settled_through is not None:
            return False
        return self.available < min(0, self.limit)

    def covers(self, compared_at_ms: int) -> bool:
        """Tell whether the count no longer has units that had left by then."""
        return self.counted_at_ms is not None and compared_at_ms <= self.counted_at_ms

    def has_released(self, entry: AcknowledgedEntry) -> bool:
        """Tell whether a balance has already taken an entry out of the bucket."""
        if not self.covers(entry.compared_at_ms):
            return False
        return self.settled_through is None or entry.place <= self.settled_through

    def moved(self, *, authorized: int = 0, confirmed: int = 0) -> "Stock":
        """Return the stock with so many more units in each bucket."""
        return replace(
            self,
            authorized=self.authorized + authorized,
            confirmed=self.confirmed + confirmed,
        )
