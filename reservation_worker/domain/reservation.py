"""The hold that an order has on stock, line by line, unit by unit."""

from enum import StrEnum
from typing import Final

from reservation_worker.domain.facts import Coordinates, LineUnits
from reservation_worker.domain.keys import ReservationId
from reservation_worker.domain.values import value_class


class Status(StrEnum):
    """Derived from where the units are; never stored as a second truth."""

    AWAITING = "Awaiting"
    CONFIRMED = "Confirmed"
    AUTHORIZED = "Authorized"
    ACKNOWLEDGED = "Acknowledged"
    SETTLED = "Settled"
    CANCELED = "Canceled"
    EXPIRED = "Expired"
    DENIED = "Denied"


OVER: Final = frozenset({Status.SETTLED, Status.CANCELED, Status.EXPIRED, Status.DENIED})
"""Nothing is held or handed out any more: nothing has to come."""
REMOVABLE: Final = OVER | {Status.AWAITING}
"""What leaves after a retention."""


@value_class(frozen=True, slots=True)
class Line:
    """One line of an order; every unit of ``quantity`` is in exactly one place."""

    line_id: str
    warehouse_id: str
    sku: str
    quantity: int
    held: int = 0
    acknowledged: int = 0
    settled: int = 0
    canceled: int = 0
    expired: int = 0
    denied: int = 0


@value_class(frozen=True, slots=True)
class AcknowledgedUnits:
    """Acknowledged, not yet settled units of one line with one date."""

    line_index: int
    compared_at_ms: int
    """A count from then on no longer has them."""
    units: int


@value_class(frozen=True, slots=True)
class Remembered:
    """An invoice or a cancellation that has been seen; no id: *the* whole one."""

    id: str | None
    digest: str


@value_class(frozen=True, slots=True)
class KeptInvoice:
    """An invoice, or what is left of it, that waits for the order or for stock.

    No lines: every unit that can still be moved.
    """

    invoice_id: str | None
    invoiced_at_ms: int
    compared_at_ms: int
    """When the goods had left at the latest, as far as the invoice tells."""
    lines: tuple[LineUnits, ...]


@value_class(frozen=True, slots=True)
class KeptCancellation:
    """A cancellation that waits for the order; no lines: every unit."""

    cancellation_id: str | None
    lines: tuple[LineUnits, ...]


Kept = KeptInvoice | KeptCancellation


@value_class(frozen=True, slots=True)
class Reservation:
    """All that is known of one order, early facts and seen ids included."""

    id: ReservationId
    version: int = 0
    completed_at_ms: int | None = None
    """None while the order itself has not come."""
    expires_at_ms: int | None = None
    """Set exactly while the status is Authorized."""
    paid_at_ms: int | None = None
    payment_id: str | None = None
    """The first that came, also behind a payment that had none."""
    order_digest: str | None = None
    lines: tuple[Line, ...] = ()
    acknowledged: tuple[AcknowledgedUnits, ...] = ()
    invoices: tuple[Remembered, ...] = ()
    cancellations: tuple[Remembered, ...] = ()
    conflicts: tuple[str, ...] = ()
    """``kind/id/digest`` of the contradictions that nothing else remembers."""
    kept: tuple[Kept, ...] = ()
    """In the order in which they came."""
    early_facts: tuple[Coordinates, ...] = ()
    """Of the facts that came before the order, one for each version; none once it has come."""

    @property
    def status(self) -> Status:
        """The first status whose condition holds."""
        if self.completed_at_ms is None:
            return Status.AWAITING
        acknowledged = settled = expired = False
        all_canceled = True
        for line in self.lines:
            if line.held:
                return Status.AUTHORIZED if self.paid_at_ms is None else Status.CONFIRMED
            acknowledged = acknowledged or line.acknowledged > 0
            settled = settled or line.settled > 0
            expired = expired or line.expired > 0
            all_canceled = all_canceled and line.canceled == line.quantity
        if acknowledged:
            return Status.ACKNOWLEDGED
        if settled:
            return Status.SETTLED
        if all_canceled:
            return Status.CANCELED
        return Status.EXPIRED if expired else Status.DENIED

    @property
    def refund_needed(self) -> bool:
        """True exactly when the order is known and paid and has got nothing for it."""
        if self.completed_at_ms is None or self.paid_at_ms is None:
            return False
        return all(not (line.held or line.acknowledged or line.settled) for line in self.lines)
