"""The bodies of the three events that are written, as their readers see them.

A reader ignores fields that it does not know, so that a newer worker may add some.
"""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from reservation_worker.contracts.fields import (
    Count,
    Flag,
    Id,
    Instant,
    Integer,
    LineQuantity,
    LineUnitsCount,
    Position,
    StockUnits,
    Text,
)
from reservation_worker.contracts.records import OutputTopic
from reservation_worker.domain.outcome import Conflict, Reason
from reservation_worker.domain.reservation import Status

EventId = Annotated[
    str, Field(strict=True, pattern=r"^[0-9]+-[0-9]+-[0-9]+$", description="shard-step-index")
]
Milliseconds = Integer
"""Since the epoch, UTC; only within ``internal`` objects."""


class OutputBody(BaseModel):
    """What all bodies that are written have in common."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class CauseBody(OutputBody):
    """The input record that caused a change."""

    topic: Text
    partition: Position
    offset: Position
    event_id: Id | None = None
    """The record's CloudEvents id, if it had one."""


class TracedCauseBody(CauseBody):
    """A cause that later changes will be traced back to."""

    traceparent: Text | None = None


class ReservationLineBody(OutputBody):
    """One line of an order; every unit of quantity is in exactly one place."""

    line_id: Id
    warehouse_id: Id
    sku: Id
    quantity: LineQuantity
    held: LineUnitsCount
    acknowledged: LineUnitsCount
    settled: LineUnitsCount
    canceled: LineUnitsCount
    expired: LineUnitsCount
    denied: LineUnitsCount


class ShortageBody(OutputBody):
    """A stock that could not give what was asked of it."""

    warehouse_id: Id
    sku: Id
    requested: Count
    available: Integer
    """What could be sold, after the stock's limit."""
    unknown: Flag = False
    """Nobody has counted this stock yet."""


class AcknowledgedUnitsBody(OutputBody):
    """Acknowledged, not yet settled units of one line with one date."""

    line: Count
    """Position of the line in its order, from 0."""
    invoiced_at_ms: Milliseconds
    """What is compared with counts; the name was given when it was the invoice's own date."""
    units: LineQuantity


class RememberedBody(OutputBody):
    """An invoice or a cancellation that has been seen; no id: the whole one."""

    id: Id | None
    digest: Text


class KeptUnitsBody(OutputBody):
    """Some units of one line that wait."""

    line_id: Id
    quantity: LineQuantity


class KeptInvoiceBody(OutputBody):
    """An invoice that waits for its order or for stock; no lines: all that can be moved."""

    kind: Literal["invoice"]
    id: Id | None
    at_ms: Milliseconds
    lines: tuple[KeptUnitsBody, ...] = ()
    compared_at_ms: Milliseconds | None = None
    """None in what was written before invoices had it: it is at_ms."""


class KeptCancellationBody(OutputBody):
    """A cancellation that waits for its order; no lines: all that can be moved."""

    kind: Literal["cancellation"]
    id: Id | None
    lines: tuple[KeptUnitsBody, ...] = ()


class CoordinatesBody(OutputBody):
    """Where the record of an early fact stands."""

    topic: Text
    partition: Position
    offset: Position


class ReservationInternalBody(OutputBody):
    """What restoring a reservation needs and no reader does; empty members are left out."""

    order_digest: Text | None = None
    payment_id: Id | None = None
    acknowledged: tuple[AcknowledgedUnitsBody, ...] = ()
    invoices: tuple[RememberedBody, ...] = ()
    cancellations: tuple[RememberedBody, ...] = ()
    conflicts: tuple[Text, ...] = ()
    kept: tuple[
        Annotated[KeptInvoiceBody | KeptCancellationBody, Field(discriminator="kind")], ...
    ] = ()
    early_facts: tuple[CoordinatesBody, ...] = ()
    """Those that came while the order itself had not; named in a dead letter if it never does."""


class ReservationChangedBody(OutputBody):
    """What one fact did to one reservation, and all that is known of it since."""

    event_id: EventId
    account: Id
    order_id: Id
    version: Annotated[Count, Field(ge=1)]
    status: Status
    previous_status: Status | None
    reason: Reason
    occurred_at_ms: Annotated[Instant, Field(alias="occurred_at")]
    expires_at_ms: Annotated[Instant | None, Field(alias="expires_at")]
    completed_at_ms: Annotated[Instant | None, Field(alias="completed_at")]
    paid_at_ms: Annotated[Instant | None, Field(alias="paid_at")]
    lines: tuple[ReservationLineBody, ...]
    shortages: tuple[ShortageBody, ...]
    refund_needed: Flag
    conflicts: tuple[Conflict, ...]
    cause: CauseBody | None
    internal: ReservationInternalBody


class AcknowledgedLineBody(OutputBody):
    """Units of one line that an invoice has moved."""

    line_id: Id
    warehouse_id: Id
    sku: Id
    quantity: LineQuantity


class AcknowledgedReservationBody(OutputBody):
    """What one invoice moved: an ERP that adds up the lines is right.

    Lines or already_counted may be empty, not both: nothing is settled without a word.
    """

    event_id: EventId
    account: Id
    order_id: Id
    version: Annotated[Count, Field(ge=1)]
    acknowledged_at_ms: Annotated[Instant, Field(alias="acknowledged_at")]
    invoice_id: Id | None
    lines: tuple[AcknowledgedLineBody, ...]
    """What the ERP must still take out of its stock."""
    already_counted: tuple[AcknowledgedLineBody, ...] = ()
    """What a count dated at or after the invoice has taken out already."""


class StockInternalBody(OutputBody):
    """What restoring a stock needs and no reader does; empty members are left out."""

    cause: TracedCauseBody | None = None
    """The balance's record, if this change was a balance."""
    counted_by: TracedCauseBody | None = None
    """The record of the balance that on_hand came with."""
    limit_counted_at_ms: Milliseconds | None = None
    unlimited_counted_at_ms: Milliseconds | None = None
    settled_through: tuple[Milliseconds, Text] | None = None
    """Cursor of a settlement that is not finished."""


class StockChangedBody(OutputBody):
    """A stock after a step; the newest version wins."""

    event_id: EventId
    account: Id
    warehouse_id: Id
    sku: Id
    version: Annotated[Count, Field(ge=1)]
    on_hand: StockUnits
    available: Integer
    authorized: Count
    confirmed: Count
    acknowledged: Count
    limit: StockUnits
    unlimited: Flag
    counted_at_ms: Annotated[Instant | None, Field(alias="counted_at")]
    internal: StockInternalBody


AnyOutputBody = ReservationChangedBody | AcknowledgedReservationBody | StockChangedBody
OUTPUT_BODY_OF: Final[dict[OutputTopic, type[AnyOutputBody]]] = {
    OutputTopic.RESERVATION_CHANGED: ReservationChangedBody,
    OutputTopic.ACKNOWLEDGED_RESERVATION: AcknowledgedReservationBody,
    OutputTopic.STOCK_CHANGED: StockChangedBody,
}


def parse_output(topic: OutputTopic, value: bytes) -> AnyOutputBody:
    """Read the body of an event that a worker wrote.

    Raises:
        ValueError: the value is not such a body.
    """
    return OUTPUT_BODY_OF[topic].model_validate_json(value)
