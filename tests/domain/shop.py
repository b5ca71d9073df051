"""Facts of a small shop, written short: one account, instants as plain milliseconds."""

from reservation_worker.domain.facts import (
    BalanceCounted,
    Cause,
    DeadlineReached,
    LineUnits,
    OrderCanceled,
    OrderCompleted,
    OrderInvoiced,
    OrderLine,
    PaymentApproved,
)
from reservation_worker.domain.keys import ReservationId, StockId

ACCOUNT = "acme"
WAREHOUSE = "main"
ORDER = "A"

Units = tuple[tuple[str, int], ...]
"""Pairs of a name (a line's id, or a sku) and a number of units."""


def stock_id(sku: str, warehouse_id: str = WAREHOUSE, account: str = ACCOUNT) -> StockId:
    """Return the id of a stock of the shop."""
    return StockId(account, warehouse_id, sku)


def reservation_id(order_id: str = ORDER, account: str = ACCOUNT) -> ReservationId:
    """Return the id of a reservation of the shop."""
    return ReservationId(account, order_id)


def line(line_id: str, quantity: int, sku: str, warehouse_id: str = WAREHOUSE) -> OrderLine:
    """Return one line of an order."""
    return OrderLine(line_id, warehouse_id, sku, quantity)


def order(
    *lines: OrderLine,
    order_id: str = ORDER,
    completed_at_ms: int = 10,
    expires_at_ms: int = 100,
    account: str = ACCOUNT,
) -> OrderCompleted:
    """State that an order was completed."""
    return OrderCompleted(
        account=account,
        order_id=order_id,
        completed_at_ms=completed_at_ms,
        expires_at_ms=expires_at_ms,
        lines=lines,
        cause=Cause("order-completed", 0, completed_at_ms),
    )


def payment(
    payment_id: str | None = "p1",
    *,
    order_id: str = ORDER,
    approved_at_ms: int = 20,
    reacquire: bool = True,
    account: str = ACCOUNT,
) -> PaymentApproved:
    """State that an order was paid."""
    return PaymentApproved(
        account=account,
        order_id=order_id,
        approved_at_ms=approved_at_ms,
        payment_id=payment_id,
        reacquire=reacquire,
        cause=Cause("payment-approved", 0, approved_at_ms),
    )


def invoice(
    invoice_id: str | None = None,
    *units: tuple[str, int],
    order_id: str = ORDER,
    invoiced_at_ms: int = 50,
    compared_at_ms: int | None = None,
    account: str = ACCOUNT,
) -> OrderInvoiced:
    """State that units were handed to delivery; no units: the whole order.

    What is compared with counts is the invoice's own date, unless told otherwise.
    """
    return OrderInvoiced(
        account=account,
        order_id=order_id,
        invoiced_at_ms=invoiced_at_ms,
        compared_at_ms=invoiced_at_ms if compared_at_ms is None else compared_at_ms,
        invoice_id=invoice_id,
        lines=_line_units(units),
        cause=Cause("order-invoiced", 0, invoiced_at_ms),
    )


def cancellation(
    cancellation_id: str | None = None,
    *units: tuple[str, int],
    order_id: str = ORDER,
    canceled_at_ms: int = 40,
    account: str = ACCOUNT,
) -> OrderCanceled:
    """State that units were given back; no units: the whole order."""
    return OrderCanceled(
        account=account,
        order_id=order_id,
        canceled_at_ms=canceled_at_ms,
        cancellation_id=cancellation_id,
        lines=_line_units(units),
        cause=Cause("order-canceled", 0, canceled_at_ms),
    )


def balance(
    sku: str,
    on_hand: int,
    *,
    counted_at_ms: int = 1,
    limit: int | None = None,
    unlimited: bool | None = None,
    warehouse_id: str = WAREHOUSE,
    account: str = ACCOUNT,
) -> BalanceCounted:
    """State that a stock was counted."""
    return BalanceCounted(
        account=account,
        warehouse_id=warehouse_id,
        sku=sku,
        on_hand=on_hand,
        counted_at_ms=counted_at_ms,
        limit=limit,
        unlimited=unlimited,
        cause=Cause("inventory-updated", 0, counted_at_ms),
    )


def deadline(
    expires_at_ms: int = 100, *, order_id: str = ORDER, account: str = ACCOUNT
) -> DeadlineReached:
    """State that a deadline has passed."""
    return DeadlineReached(account, order_id, expires_at_ms)


def _line_units(units: Units) -> tuple[LineUnits, ...]:
    return tuple(LineUnits(line_id, quantity) for line_id, quantity in units)
