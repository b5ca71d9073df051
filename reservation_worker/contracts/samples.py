"""Events as a shop would send them, the same for the same seed."""

import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, assert_never

from reservation_worker.contracts.inputs import FactKind
from reservation_worker.contracts.instants import instant_text

_HOUR_MS = 60 * 60 * 1000
_METHODS = ("bank-slip", "credit-card", "instant-transfer", "wallet")
_WAREHOUSES = ("main", "north", "outlet")
_REASONS = ("customer_request", "fraud_suspected", "address_unknown")


def sample_body(kind: FactKind, seed: int, at_ms: int, account: str = "acme") -> dict[str, Any]:
    """Return the body of one event of the seed's order, which was completed at an instant.

    The events of one seed belong together: its payment pays its order, its balance counts the
    stock of its first line. The balance precedes the order; the others follow it by an hour or
    more, as the timestamps of their records must.
    """
    order_id, lines = _order_of(seed)
    common: dict[str, Any] = {"account": account, "order_id": order_id}
    match kind:
        case FactKind.ORDER_COMPLETED:
            return common | {
                "completed_at": instant_text(at_ms),
                "lines": lines,
                "payment": _payment(seed, at_ms),
            }
        case FactKind.PAYMENT_APPROVED:
            return common | {
                "approved_at": instant_text(at_ms + _HOUR_MS),
                "payment_id": f"PAY-{seed:06d}",
            }
        case FactKind.ORDER_INVOICED:
            return common | {
                "invoiced_at": instant_text(at_ms + 18 * _HOUR_MS),
                "invoice_id": f"NF-{seed:06d}",
                "lines": [_units(line) for line in lines],
            }
        case FactKind.ORDER_CANCELED:
            return common | {
                "canceled_at": instant_text(at_ms + 2 * _HOUR_MS),
                "cancellation_id": f"C-{seed:06d}",
                "reason": _REASONS[seed % len(_REASONS)],
                "lines": [_units(lines[0])],
            }
        case FactKind.INVENTORY_UPDATED:
            return {
                "account": account,
                "warehouse_id": lines[0]["warehouse_id"],
                "sku": lines[0]["sku"],
                "on_hand": 50 + seed % 200,
                "counted_at": instant_text(at_ms - 13 * _HOUR_MS),
                "limit": seed % 5,
                "unlimited": False,
            }
        case _:
            assert_never(kind)


def sample_value(kind: FactKind, seed: int, at_ms: int, account: str = "acme") -> bytes:
    """Return the same as the value of a Kafka record."""
    return json.dumps(sample_body(kind, seed, at_ms, account), separators=(",", ":")).encode()


def _order_of(seed: int) -> tuple[str, list[dict[str, Any]]]:
    random = Random(seed)  # noqa: S311 - a sample must repeat, not be unpredictable
    lines = [
        {
            "line_id": str(number),
            "warehouse_id": random.choice(_WAREHOUSES),
            "sku": str(random.randint(2_000_000, 2_000_999)),
            "quantity": random.randint(1, 4),
        }
        for number in range(1, random.randint(1, 3) + 1)
    ]
    return f"v{7_300_000 + seed}-01", lines


def _payment(seed: int, at_ms: int) -> dict[str, str]:
    method = _METHODS[seed % len(_METHODS)]
    if method != "bank-slip":
        return {"method": method}
    completed_at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
    due_date = (completed_at + timedelta(days=2)).date()
    return {"method": method, "due_date": due_date.isoformat()}


def _units(line: dict[str, Any]) -> dict[str, Any]:
    return {"line_id": line["line_id"], "quantity": line["quantity"]}
