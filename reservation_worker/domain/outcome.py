"""What one fact did: closed sets, matched exhaustively."""

from enum import StrEnum

from reservation_worker.domain.facts import Cause, Coordinates
from reservation_worker.domain.keys import ReservationId, StockId
from reservation_worker.domain.reservation import Reservation, Status
from reservation_worker.domain.stock import Stock
from reservation_worker.domain.values import value_class


class OutcomeKind(StrEnum):
    """Every fact has exactly one."""

    CHANGED = "changed"
    REPEAT = "repeat"
    """Already in effect: changes nothing and publishes nothing."""
    REFUSED = "refused"
    """A change that could not hold what it wanted; it names the shortages."""
    CONFLICT = "conflict"
    """A change that names at least one conflict."""
    BALANCE_DIFFERS = "balance_differs"
    """Nothing changed: a more careful balance of the same ``counted_at`` stands. Dead-lettered."""
    OUT_OF_BOUNDS = "out_of_bounds"
    """Nothing changed: the reservation remembers, or would publish, too much. Dead-lettered."""


class Reason(StrEnum):
    """The kind of fact that made a change."""

    ORDER_COMPLETED = "order_completed"
    PAYMENT_APPROVED = "payment_approved"
    ORDER_INVOICED = "order_invoiced"
    ORDER_CANCELED = "order_canceled"
    DEADLINE_REACHED = "deadline_reached"
    BALANCE_COUNTED = "balance_counted"


class Conflict(StrEnum):
    """How a fact can contradict what already stands."""

    ORDER_DIFFERS = "order_differs"
    INVOICED_AFTER_CANCEL = "invoiced_after_cancel"
    INVOICED_WITHOUT_STOCK = "invoiced_without_stock"
    INVOICED_TOO_MANY = "invoiced_too_many"
    CANCELED_AFTER_INVOICE = "canceled_after_invoice"
    CANCELED_TOO_MANY = "canceled_too_many"
    PAID_TWICE = "paid_twice"
    ID_REUSED = "id_reused"


@value_class(frozen=True, slots=True)
class Shortage:
    """A stock that could not give what was asked of it."""

    stock_id: StockId
    requested: int
    available: int
    """What could be sold, after the stock's limit; never below 0."""
    unknown: bool = False
    """Nobody has counted this stock yet."""


@value_class(frozen=True, slots=True)
class ReservationChanged:
    """What one fact did to one reservation; numbered by ``reservation.version`` from 1."""

    reservation: Reservation
    """As it is after the change."""
    previous_status: Status | None
    """None for version 1."""
    reason: Reason
    occurred_at_ms: int
    shortages: tuple[Shortage, ...]
    conflicts: tuple[Conflict, ...]
    """In the order of `Conflict`, each once."""
    cause: Cause | None
    """The record that caused it (of a settlement: the balance's); None when time did."""


@value_class(frozen=True, slots=True)
class Remark:
    """What of a change a shop counts; most changes have nothing of it."""

    reason: Reason
    previous_status: Status | None
    is_short: bool
    """A stock could not give what was asked of it."""
    conflicts: tuple[Conflict, ...]
    refund_needed: bool
    """Not of a change that only gave an earlier payment its id."""


def remark_on(change: ReservationChanged, before: Reservation | None) -> Remark | None:
    """Return what there is to count; None if there is nothing."""
    refund_needed = change.reservation.refund_needed and not _only_names(change, before)
    is_expiry = change.reason is Reason.DEADLINE_REACHED
    if not (change.shortages or change.conflicts or refund_needed or is_expiry):
        return None
    return Remark(
        change.reason,
        change.previous_status,
        bool(change.shortages),
        change.conflicts,
        refund_needed,
    )


def _only_names(change: ReservationChanged, before: Reservation | None) -> bool:
    is_second = before is not None and before.paid_at_ms is not None
    return is_second and change.reason is Reason.PAYMENT_APPROVED and not change.conflicts


@value_class(frozen=True, slots=True)
class AcknowledgedLine:
    """Units of one line that an invoice has moved."""

    line_id: str
    warehouse_id: str
    sku: str
    quantity: int


@value_class(frozen=True, slots=True)
class UnitsAcknowledged:
    """What one invoice moved: nothing is settled without a word."""

    account: str
    order_id: str
    version: int
    """Of the change that acknowledged them."""
    acknowledged_at_ms: int
    """The invoice's date."""
    invoice_id: str | None
    lines: tuple[AcknowledgedLine, ...]
    """What the ERP must still take out of its stock."""
    already_counted: tuple[AcknowledgedLine, ...]
    """What a count dated at or after the invoice has taken out already."""
    cause: Cause | None


@value_class(frozen=True, slots=True)
class ReservationRemoved:
    """A reservation was kept long enough, and is forgotten."""

    reservation_id: ReservationId
    status: Status
    """The last one."""
    removed_at_ms: int
    """When its retention ended."""
    early_facts: tuple[Coordinates, ...]
    """The facts whose order never came; none of one whose order came."""


@value_class(frozen=True, slots=True)
class RemovalRemark:
    """What of a removal an operator counts."""

    status: Status
    orphan_topic: str | None
    """The topic of the first fact whose order never came; None where the order came."""


def remark_on_removal(removed: ReservationRemoved) -> RemovalRemark:
    """Return what there is to count."""
    return RemovalRemark(removed.status, removed.early_facts[0][0] if removed.early_facts else None)


@value_class(frozen=True, slots=True)
class ShortfallRemark:
    """How many stocks became short in a step: a balance was counted below what is held."""

    stocks_total: int


AnyRemark = Remark | RemovalRemark | ShortfallRemark


@value_class(frozen=True, slots=True)
class StockChanged:
    """A stock as it is after a step."""

    stock: Stock
    """Its ``entries`` are empty here: they are an index, restored from the reservations."""
    version: int
    """Grows by 1 with each step that changed the stock."""
    occurred_at_ms: int
    """Of the last fact of the step that touched the stock."""
    cause: Cause | None
    """The balance's record if the step's change was a balance, else None."""
    traceparent: str | None
    """Of the last fact of the step that touched the stock."""


PublishedEvent = ReservationChanged | UnitsAcknowledged | StockChanged | ReservationRemoved
