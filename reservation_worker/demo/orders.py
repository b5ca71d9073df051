"""What becomes of an order: each function notes one order's facts, from sale to delivery."""

from collections.abc import Callable
from dataclasses import dataclass

from reservation_worker.demo.writing import (
    ORDER_CANCELED,
    ORDER_COMPLETED,
    ORDER_INVOICED,
    PAYMENT_APPROVED,
    Notebook,
)

GRACE_AND_READING_MS = 4_500
"""So long after its deadline an unpaid order has surely been expired on a healthy day."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an order."""

    line_id: str
    sku: str
    quantity: int
    warehouse_id: str = "main"


@dataclass(frozen=True, slots=True)
class Order:
    """An order that a customer completes at a moment of the day."""

    account: str
    order_id: str
    at_ms: int
    lines: tuple[Line, ...]

    @property
    def key(self) -> str:
        """The record key that the shop uses for the facts of the order."""
        return f"{self.account}/{self.order_id}"


# ---- single facts


def complete(
    notebook: Notebook,
    order: Order,
    *,
    seconds_to_live: int | None = None,
    at_ms: int | None = None,
) -> None:
    """The customer completes the order; it may arrive at another moment."""
    body: dict[str, object] = {
        "account": order.account,
        "order_id": order.order_id,
        "completed_at": notebook.time(order.at_ms),
        "lines": [
            {
                "line_id": line.line_id,
                "warehouse_id": line.warehouse_id,
                "sku": line.sku,
                "quantity": line.quantity,
            }
            for line in order.lines
        ],
    }
    if seconds_to_live is not None:
        body["reservation_ttl_seconds"] = seconds_to_live
    arrives_at_ms = order.at_ms if at_ms is None else at_ms
    notebook.write(arrives_at_ms, ORDER_COMPLETED, order.key, body)


def pay(notebook: Notebook, order: Order, at_ms: int, payment_id: str | None = None) -> None:
    """The payment is approved."""
    named = payment_id or f"pay-{order.order_id}"
    body = {
        "account": order.account,
        "order_id": order.order_id,
        "approved_at": notebook.time(at_ms),
        "payment_id": named,
    }
    # Another system's key: a payment need not be in the partition of its order's number.
    notebook.write(at_ms, PAYMENT_APPROVED, named, body)


def invoice(
    notebook: Notebook,
    order: Order,
    at_ms: int,
    *,
    invoice_id: str | None = None,
    lines: tuple[tuple[str, int], ...] = (),
    dated_ms: int | None = None,
) -> None:
    """Units are handed to delivery; no lines: all of them."""
    body: dict[str, object] = {
        "account": order.account,
        "order_id": order.order_id,
        "invoiced_at": notebook.time(at_ms if dated_ms is None else dated_ms),
    }
    if invoice_id is not None:
        body["invoice_id"] = invoice_id
    if lines:
        body["lines"] = [{"line_id": line_id, "quantity": units} for line_id, units in lines]
    notebook.write(at_ms, ORDER_INVOICED, order.key, body)


def cancel(
    notebook: Notebook,
    order: Order,
    at_ms: int,
    *,
    cancellation_id: str | None = None,
    lines: tuple[tuple[str, int], ...] = (),
) -> None:
    """Units are given back; no lines: all of them."""
    body: dict[str, object] = {
        "account": order.account,
        "order_id": order.order_id,
        "canceled_at": notebook.time(at_ms),
        "reason": "changed their mind",
    }
    if cancellation_id is not None:
        body["cancellation_id"] = cancellation_id
    if lines:
        body["lines"] = [{"line_id": line_id, "quantity": units} for line_id, units in lines]
    notebook.write(at_ms, ORDER_CANCELED, order.key, body)


# ---- whole stories


def paid_and_delivered(notebook: Notebook, order: Order) -> None:
    """The usual way: completed, paid, invoiced as a whole."""
    complete(notebook, order)
    paid_at_ms = order.at_ms + _between(notebook, 100, 2_000)
    pay(notebook, order, paid_at_ms)
    invoice(
        notebook,
        order,
        paid_at_ms + _between(notebook, 200, 4_000),
        invoice_id=f"nf-{order.order_id}",
    )


def delivered_in_parts(notebook: Notebook, order: Order) -> None:
    """Each line leaves with an invoice of its own, the first one unit early."""
    complete(notebook, order)
    pay(notebook, order, order.at_ms + _between(notebook, 100, 1_500))
    parts = [(line.line_id, line.quantity) for line in order.lines]
    first_id, first_units = parts[0]
    if first_units > 1:
        parts[:1] = [(first_id, 1), (first_id, first_units - 1)]
    for number, part in enumerate(parts, start=1):
        at_ms = order.at_ms + _between(notebook, 500, 5_000)
        invoice_id = f"nf-{order.order_id}-{number}"
        invoice(notebook, order, at_ms, invoice_id=invoice_id, lines=(part,))


def partly_canceled(notebook: Notebook, order: Order) -> None:
    """One unit is given back, the rest is delivered."""
    complete(notebook, order)
    pay(notebook, order, order.at_ms + _between(notebook, 100, 1_500))
    cancellation_id = f"back-{order.order_id}"
    one_unit = ((order.lines[0].line_id, 1),)
    canceled_at_ms = order.at_ms + _between(notebook, 100, 2_000)
    cancel(notebook, order, canceled_at_ms, cancellation_id=cancellation_id, lines=one_unit)
    invoice(notebook, order, canceled_at_ms + 2_000)


def paid_and_waiting(notebook: Notebook, order: Order) -> None:
    """Paid, and not delivered today."""
    complete(notebook, order)
    pay(notebook, order, order.at_ms + _between(notebook, 100, 2_000))


def canceled(notebook: Notebook, order: Order) -> None:
    """The customer thinks again before paying."""
    complete(notebook, order)
    cancel(notebook, order, order.at_ms + _between(notebook, 100, 3_000))


def left_unpaid(notebook: Notebook, order: Order) -> None:
    """Nobody pays: the units go back on sale at the deadline."""
    complete(notebook, order, seconds_to_live=notebook.random.randint(2, 5))


def paid_in_the_last_second(notebook: Notebook, order: Order) -> None:
    """The payment arrives shortly before the deadline: it must win."""
    seconds = notebook.random.randint(2, 4)
    complete(notebook, order, seconds_to_live=seconds)
    pay(notebook, order, order.at_ms + seconds * 1_000 - _between(notebook, 50, 900))


def paid_too_late(notebook: Notebook, order: Order) -> None:
    """The payment arrives when the units have been given back: held again, or a refund."""
    seconds = notebook.random.randint(1, 2)
    complete(notebook, order, seconds_to_live=seconds)
    late_ms = GRACE_AND_READING_MS + _between(notebook, 0, 2_000)
    pay(notebook, order, order.at_ms + seconds * 1_000 + late_ms)


def facts_in_wrong_order(notebook: Notebook, order: Order) -> None:
    """The order itself arrives last."""
    completed_at_ms = order.at_ms + _between(notebook, 1_000, 3_000)
    pay(notebook, order, order.at_ms + _between(notebook, 0, 900))
    part = ((order.lines[0].line_id, 1),)
    if notebook.random.random() < 0.5:  # noqa: PLR2004 -- an even choice
        at_ms = order.at_ms + _between(notebook, 0, 900)
        invoice(notebook, order, at_ms, invoice_id=f"nf-{order.order_id}", lines=part)
    else:
        at_ms = order.at_ms + _between(notebook, 0, 900)
        cancel(notebook, order, at_ms, cancellation_id=f"back-{order.order_id}", lines=part)
    complete(notebook, order, at_ms=completed_at_ms)


def invoiced_long_ago(notebook: Notebook, order: Order) -> None:
    """The invoice arrives after a count that no longer has its units: settled at once."""
    complete(notebook, order)
    pay(notebook, order, order.at_ms + 300)
    at_ms = order.at_ms + _between(notebook, 6_000, 7_500)
    invoice(notebook, order, at_ms, invoice_id=f"nf-{order.order_id}", dated_ms=order.at_ms + 400)


def contradicted(notebook: Notebook, order: Order) -> None:
    """Facts that cannot all be true: what came first stands, the rest is a conflict."""
    complete(notebook, order)
    paid_at_ms = order.at_ms + 300
    pay(notebook, order, paid_at_ms)
    kind = notebook.random.randrange(6)
    later_ms = order.at_ms + _between(notebook, 1_000, 3_000)
    first = order.lines[0].line_id
    if kind == 0:
        pay(notebook, order, later_ms, payment_id=f"again-{order.order_id}")
    elif kind == 1:
        other = Order(order.account, order.order_id, order.at_ms, (Line("9", "mug", 1),))
        complete(notebook, other, at_ms=later_ms)
    elif kind == 2:  # noqa: PLR2004 -- the kinds are only counted
        invoice(notebook, order, later_ms)
        cancel(notebook, order, later_ms + 1_500, cancellation_id="late", lines=((first, 1),))
    elif kind == 3:  # noqa: PLR2004
        cancel(notebook, order, later_ms)
        invoice(notebook, order, later_ms + 1_500, invoice_id="late", lines=((first, 1),))
    elif kind == 4:  # noqa: PLR2004
        invoice(notebook, order, later_ms, invoice_id="much", lines=((first, 1_000),))
    else:
        invoice(notebook, order, later_ms, invoice_id="same", lines=((first, 1),))
        invoice(notebook, order, later_ms + 1_000, invoice_id="same", lines=(("7", 1),))


STORIES: dict[Callable[[Notebook, Order], None], int] = {
    paid_and_delivered: 30,
    delivered_in_parts: 15,
    partly_canceled: 8,
    paid_and_waiting: 8,
    canceled: 8,
    left_unpaid: 9,
    paid_in_the_last_second: 6,
    paid_too_late: 6,
    facts_in_wrong_order: 8,
    invoiced_long_ago: 5,
    contradicted: 7,
}
"""How often each story happens, against the others."""


def _between(notebook: Notebook, low: int, high: int) -> int:
    return notebook.random.randint(low, high)
