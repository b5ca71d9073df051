"""Records that no worker can use: each must end as a dead letter and stop nothing."""

import json
from collections.abc import Mapping

from reservation_worker.demo.writing import (
    INVENTORY_UPDATED,
    ORDER_CANCELED,
    ORDER_COMPLETED,
    ORDER_INVOICED,
    PAYMENT_APPROVED,
    Notebook,
)

DEEP_NESTING = 5_000
DAY_MS = 86_400_000


def write_poison(notebook: Notebook, account: str, at_ms: int, spread_ms: int) -> None:
    """Note one record of each kind of poison, spread over some time."""
    for topic, value, headers in _poison(notebook, account, at_ms):
        moment = at_ms + notebook.random.randint(0, spread_ms)
        notebook.write_raw(moment, topic, value, headers)


def _poison(
    notebook: Notebook, account: str, at_ms: int
) -> list[tuple[str, bytes | None, tuple[tuple[str, bytes], ...]]]:
    now = notebook.time(at_ms)
    line = {"line_id": "1", "warehouse_id": "main", "sku": "mug", "quantity": 1}
    order = {"account": account, "order_id": "poison", "completed_at": now, "lines": [line]}
    payment = {"account": account, "order_id": "poison", "approved_at": now}
    count = {"account": account, "warehouse_id": "main", "sku": "mug", "counted_at": now}
    tomorrow = notebook.time(at_ms + DAY_MS)
    later_version = (("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/shop"))
    return [
        (ORDER_COMPLETED, b"this is no JSON", ()),
        (ORDER_COMPLETED, b'{"account": "broken', ()),
        (ORDER_COMPLETED, None, ()),
        (ORDER_COMPLETED, b"\xff\xfe\x00broken text", ()),
        (ORDER_COMPLETED, b"[" * DEEP_NESTING + b"]" * DEEP_NESTING, ()),
        (ORDER_COMPLETED, _json({**order, "lines": []}), ()),
        (ORDER_COMPLETED, _json({**order, "lines": [line, line]}), ()),
        (ORDER_COMPLETED, _json({**order, "lines": [{**line, "quantity": 1.5}]}), ()),
        (ORDER_COMPLETED, _json({**order, "lines": [{**line, "quantity": 0}]}), ()),
        (ORDER_COMPLETED, _json({**order, "lines": [{**line, "quantity": 10**18}]}), ()),
        (ORDER_COMPLETED, _json({**order, "order_id": "x" * 500}), ()),
        (ORDER_COMPLETED, _json({**order, "completed_at": tomorrow}), ()),
        (ORDER_COMPLETED, _json(order), (*later_version, ("ce_type", b"order.completed.v2"))),
        (ORDER_COMPLETED, _json(payment), (*later_version, ("ce_type", b"payment.approved.v1"))),
        (PAYMENT_APPROVED, _json({**payment, "approved_at": "yesterday"}), ()),
        (PAYMENT_APPROVED, _json({"order_id": "poison"}), ()),
        (PAYMENT_APPROVED, b'{"account":"a","account":"b"}', ()),
        (ORDER_INVOICED, _json({**payment, "invoiced_at": now, "lines": "all"}), ()),
        (
            ORDER_CANCELED,
            _json({**payment, "canceled_at": now, "lines": [{"line_id": "1", "quantity": 1}]}),
            (),
        ),
        (ORDER_CANCELED, _json({**payment, "canceled_at": now, "items": [line]}), ()),
        (ORDER_COMPLETED, _json({**order, "reservationTtlSeconds": 60}), ()),
        (ORDER_COMPLETED, _json({"op": "c", "before": None, "after": order}), ()),
        (INVENTORY_UPDATED, _json({**count, "on_hand": 5, "counted_at": "0001-01-01T00:00Z"}), ()),
        (INVENTORY_UPDATED, _json({**count, "on_hand": float("nan")}), ()),
        (INVENTORY_UPDATED, _json(count), ()),
        (INVENTORY_UPDATED, _json({**count, "on_hand": 5, "counted_at": tomorrow}), ()),
        (INVENTORY_UPDATED, _json({**count, "on_hand": 10**13}), ()),
    ]


def _json(body: Mapping[str, object]) -> bytes:
    return json.dumps(body).encode()
