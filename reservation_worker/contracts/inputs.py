"""The bodies of the five events that are read.

Unknown fields are ignored, because a writer may be newer; `strangers` tells which are not.
"""

from enum import StrEnum
from typing import Annotated, Final, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)
from pydantic_core import PydanticCustomError

from reservation_worker.contracts.fields import (
    WRONG_VALUE,
    Flag,
    Id,
    LineQuantity,
    Seconds,
    StatedDay,
    StatedInstant,
    StockUnits,
    Text,
)
from reservation_worker.domain.facts import ORDER_LINES_MAX

WITHIN: Final = "within"
"""In the context of a validation error: the pointer of the bad field below the reported one."""


class FactKind(StrEnum):
    """What the records of an input topic state, by the topic's default name."""

    ORDER_COMPLETED = "order-completed"
    PAYMENT_APPROVED = "payment-approved"
    ORDER_INVOICED = "order-invoiced"
    ORDER_CANCELED = "order-canceled"
    INVENTORY_UPDATED = "inventory-updated"

    @property
    def event_type(self) -> str:
        """The CloudEvents type of the version that is understood."""
        return self.value.replace("-", ".") + ".v1"


class InputBody(BaseModel):
    """What all bodies that are read have in common."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class LineUnitsBody(InputBody):
    """Some units of one line of an order."""

    line_id: Id
    quantity: LineQuantity


class OrderLineBody(InputBody):
    """One line of a completed order."""

    line_id: Id
    warehouse_id: Id
    sku: Id
    quantity: LineQuantity


class PaymentTermsBody(InputBody):
    """How the order will be paid; the due date decides how long its units are held."""

    method: Id | None = None
    due_date: StatedDay | None = None


_LineBody = TypeVar("_LineBody", LineUnitsBody, OrderLineBody)


def _check_repeats(lines: tuple[_LineBody, ...]) -> tuple[_LineBody, ...]:
    seen: set[str] = set()
    for index, line in enumerate(lines):
        if line.line_id in seen:
            raise PydanticCustomError(
                WRONG_VALUE, "A line_id is repeated.", {WITHIN: f"/{index}/line_id"}
            )
        seen.add(line.line_id)
    return lines


Lines = Annotated[
    tuple[_LineBody, ...],
    Field(min_length=1, max_length=ORDER_LINES_MAX, fail_fast=True),
    AfterValidator(_check_repeats),
]
"""1 to 500 lines, each ``line_id`` once."""


class OrderCompletedBody(InputBody):
    """A customer completed an order: its units are to be held."""

    account: Id
    order_id: Id
    completed_at_ms: Annotated[StatedInstant, Field(alias="completed_at")]
    lines: Lines[OrderLineBody]
    payment: PaymentTermsBody | None = None
    reservation_expires_at_ms: Annotated[
        StatedInstant | None, Field(alias="reservation_expires_at")
    ] = None
    reservation_ttl_seconds: Seconds | None = None
    incomplete: Flag | None = None


class PaymentApprovedBody(InputBody):
    """An order was paid."""

    account: Id
    order_id: Id
    approved_at_ms: Annotated[StatedInstant, Field(alias="approved_at")]
    payment_id: Id | None = None


class OrderInvoicedBody(InputBody):
    """Units of an order were handed to delivery; without lines: all that can still be moved."""

    model_config = ConfigDict(json_schema_extra={"dependentRequired": {"lines": ["invoice_id"]}})

    account: Id
    order_id: Id
    invoiced_at_ms: Annotated[StatedInstant, Field(alias="invoiced_at")]
    invoice_id: Id | None = None
    lines: Lines[LineUnitsBody] = Field(default_factory=tuple)
    """Empty where none are named; null and an empty array are not the same as none."""

    @model_validator(mode="after")
    def _check_invoice_id(self) -> Self:
        if self.lines and self.invoice_id is None:
            raise PydanticCustomError(
                WRONG_VALUE,
                "An invoice that names lines needs an invoice_id.",
                {WITHIN: "/invoice_id"},
            )
        return self


class OrderCanceledBody(InputBody):
    """Units of an order were given back; without lines: all that can still be moved."""

    model_config = ConfigDict(
        json_schema_extra={"dependentRequired": {"lines": ["cancellation_id"]}}
    )

    account: Id
    order_id: Id
    canceled_at_ms: Annotated[StatedInstant, Field(alias="canceled_at")]
    cancellation_id: Id | None = None
    reason: Text | None = None
    lines: Lines[LineUnitsBody] = Field(default_factory=tuple)
    """As of an invoice."""

    @model_validator(mode="after")
    def _check_cancellation_id(self) -> Self:
        if self.lines and self.cancellation_id is None:
            raise PydanticCustomError(
                WRONG_VALUE,
                "A cancellation that names lines needs a cancellation_id.",
                {WITHIN: "/cancellation_id"},
            )
        return self


class InventoryUpdatedBody(InputBody):
    """The ERP or the store counted a stock; absent limit and mark stay as they are."""

    account: Id
    warehouse_id: Id
    sku: Id
    on_hand: StockUnits
    counted_at_ms: Annotated[StatedInstant, Field(alias="counted_at")]
    limit: StockUnits | None = None
    unlimited: Flag | None = None


AnyInputBody = (
    OrderCompletedBody
    | PaymentApprovedBody
    | OrderInvoicedBody
    | OrderCanceledBody
    | InventoryUpdatedBody
)
BODY_OF: Final[dict[FactKind, type[AnyInputBody]]] = {
    FactKind.ORDER_COMPLETED: OrderCompletedBody,
    FactKind.PAYMENT_APPROVED: PaymentApprovedBody,
    FactKind.ORDER_INVOICED: OrderInvoicedBody,
    FactKind.ORDER_CANCELED: OrderCanceledBody,
    FactKind.INVENTORY_UPDATED: InventoryUpdatedBody,
}
