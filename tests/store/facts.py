"""Facts for tests that say only what they are about."""

from reservation_worker.domain.facts import (
    BalanceCounted,
    Cause,
    LineUnits,
    OrderCanceled,
    OrderCompleted,
    OrderInvoiced,
    OrderLine,
    PaymentApproved,
)
from reservation_worker.domain.keys import ReservationId, StockId
from tests.store.random_facts import NOW_MS

ACCOUNT = "acme"
STOCK_ID = StockId(ACCOUNT, "main", "chair")
EXPIRES_AT_MS = NOW_MS + 60_000


def cause(offset: int) -> Cause:
    """Return the record at an offset."""
    return Cause("some-topic", 0, offset, traceparent=f"trace-{offset}")


def reservation_id(order_id: str = "v1") -> ReservationId:
    """Return the reservation of an order."""
    return ReservationId(ACCOUNT, order_id)


def ordered(
    order_id: str = "v1", *, sku: str = "chair", quantity: int = 1, lines: int = 1
) -> OrderCompleted:
    """Return an order of so many lines of one sku; its offset is that of the order."""
    order_lines = tuple(
        OrderLine(str(number), "main", sku, quantity) for number in range(1, lines + 1)
    )
    return OrderCompleted(ACCOUNT, order_id, NOW_MS, EXPIRES_AT_MS, order_lines, cause(1))


def paid(order_id: str = "v1", *, payment_id: str | None = None) -> PaymentApproved:
    """Return a payment that holds expired units again."""
    return PaymentApproved(ACCOUNT, order_id, NOW_MS + 1, payment_id, True, cause(2))  # noqa: FBT003


def invoiced(
    order_id: str = "v1",
    *,
    invoice_id: str | None = None,
    lines: tuple[LineUnits, ...] = (),
    at_ms: int = NOW_MS + 2,
) -> OrderInvoiced:
    """Return an invoice; without lines, of all that is left."""
    return OrderInvoiced(ACCOUNT, order_id, at_ms, at_ms, invoice_id, lines, cause(3))


def canceled(order_id: str = "v1", *, cancellation_id: str | None = None) -> OrderCanceled:
    """Return a cancellation of all that is left."""
    return OrderCanceled(ACCOUNT, order_id, NOW_MS + 3, cancellation_id, (), cause(4))


def counted(on_hand: int, *, sku: str = "chair", at_ms: int = NOW_MS - 1_000) -> BalanceCounted:
    """Return a count, before all orders unless told otherwise."""
    return BalanceCounted(ACCOUNT, "main", sku, on_hand, at_ms, None, None, cause(5))
