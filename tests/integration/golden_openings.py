"""How stories of the golden events begin: their own steps are expected to the byte as well."""

from typing import Any

from tests.integration.golden import (
    COMPLETED,
    FAR_DEADLINE,
    MORNING,
    PAID,
    PASSED_DEADLINE,
    GoldenShop,
    line,
    ordered,
)

TWO_UNITS = [ordered("1", "cup", 2)]


def authorized(shop: GoldenShop) -> tuple[dict[str, Any], dict[str, Any]]:
    """Let an order hold its units; return what its change says."""
    shop.open()
    shop.complete("v1", TWO_UNITS)
    held = {"lines": [line("1", "cup", 2, held=2)], "completed_at": COMPLETED}
    first = {"status": "Authorized", "reason": "order_completed", "occurred_at": COMPLETED}
    first["expires_at"] = FAR_DEADLINE
    shop.expect(
        shop.change("v1", 1, previous_status=None, **first, **held),
        shop.stock("cup", 2, COMPLETED, on_hand=10, available=8, authorized=2, counted_at=MORNING),
    )
    return first, held


def expired(shop: GoldenShop) -> dict[str, Any]:
    """Let an order reach its deadline unpaid; return what every later change of it says."""
    shop.open()
    shop.complete("v1", TWO_UNITS, reservation_expires_at=PASSED_DEADLINE)
    known = {"completed_at": COMPLETED}
    held = {"on_hand": 10, "counted_at": MORNING}
    shop.expect(
        shop.change(
            "v1",
            1,
            status="Authorized",
            previous_status=None,
            reason="order_completed",
            occurred_at=COMPLETED,
            expires_at=PASSED_DEADLINE,
            lines=[line("1", "cup", 2, held=2)],
            **known,
        ),
        shop.stock("cup", 2, COMPLETED, **held, available=8, authorized=2),
    )
    shop.expect(
        shop.change(
            "v1",
            2,
            status="Expired",
            previous_status="Authorized",
            reason="deadline_reached",
            occurred_at=PASSED_DEADLINE,
            lines=[line("1", "cup", 2, expired=2)],
            cause=None,
            **known,
        ),
        shop.stock("cup", 3, PASSED_DEADLINE, **held, available=10),
    )
    return {
        **known,
        "previous_status": "Expired",
        "reason": "payment_approved",
        "occurred_at": PAID,
        "paid_at": PAID,
    }
