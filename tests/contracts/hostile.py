"""The corpus: inputs that are broken, wrong or out of bounds, each with a name."""

import json
from typing import Any

from reservation_worker.contracts.inputs import FactKind
from tests.contracts.reading import BALANCE, CANCELLATION, INVOICE, ORDER, PAYMENT

ORDER_TEXT = json.dumps(ORDER)
LINE = ORDER["lines"][0]

BROKEN_TEXTS: dict[str, bytes] = {
    "empty": b"",
    "white space": b" \n",
    "no json": b"order 7300001 completed",
    "cut off": ORDER_TEXT[:-1].encode(),
    "two objects": (ORDER_TEXT + ORDER_TEXT).encode(),
    "trailing comma": b'{"account": "acme",}',
    "single quotes": b"{'account': 'acme'}",
    "two byte order marks": b"\xef\xbb\xbf" * 2 + ORDER_TEXT.encode(),
    "utf-16": ORDER_TEXT.encode("utf-16"),
    "latin-1": '{"account": "café"}'.encode("latin-1"),
    "overlong utf-8": b'{"account": "\xc0\xaf"}',
    "surrogate in utf-8": b'{"account": "\xed\xa0\x80"}',
    "lone surrogate": ORDER_TEXT.replace("acme", "\\ud800").encode(),
    "lone surrogate in an unknown field": ORDER_TEXT.replace(
        "{", '{"note": "\\uDFFF", ', 1
    ).encode(),
    "lone surrogate in a key": ORDER_TEXT.replace("{", '{"\\uDbff": 1, ', 1).encode(),
    "control character in a string": b'{"account": "ac\x00me"}',
    "duplicate key": ORDER_TEXT.replace("{", '{"account": "other", ', 1).encode(),
    "duplicate key deep inside": ORDER_TEXT.replace(
        '"quantity": 2', '"quantity": 2, "quantity": 200'
    ).encode(),
    "duplicate key in an unknown field": b'{"x": {"a": 1, "a": 1}}',
    "NaN": ORDER_TEXT.replace('"quantity": 2', '"quantity": NaN').encode(),
    "Infinity in an unknown field": ORDER_TEXT.replace("{", '{"x": -Infinity, ', 1).encode(),
    "nested arrays": b"[" * 500_000,
    "nested arrays, closed": b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "nested objects": b'{"a":' * 150_000 + b"1" + b"}" * 150_000,
    "magic byte alone": b"\x00",
    "magic byte with half an id": b"\x00\x00\x00\x01",
    "avro": b"\x00\x00\x00\x00\x07\x08acme\x16v7300001-01",
}


def order_with_line(**fields: object) -> dict[str, Any]:
    """Return the order with its second line changed."""
    return ORDER | {"lines": [LINE, LINE | {"line_id": "2"} | fields]}


WRONG_FIELDS: dict[str, tuple[FactKind, Any, str]] = {
    "no object": (FactKind.ORDER_COMPLETED, [ORDER], ""),
    "null": (FactKind.ORDER_COMPLETED, None, ""),
    "a string": (FactKind.ORDER_COMPLETED, "order", ""),
    "nothing in it": (FactKind.INVENTORY_UPDATED, {}, "/account"),
    "account a number": (FactKind.PAYMENT_APPROVED, PAYMENT | {"account": 7}, "/account"),
    "order id null": (FactKind.PAYMENT_APPROVED, PAYMENT | {"order_id": None}, "/order_id"),
    "order id an object": (FactKind.ORDER_CANCELED, CANCELLATION | {"order_id": {}}, "/order_id"),
    "payment id a number": (FactKind.PAYMENT_APPROVED, PAYMENT | {"payment_id": 1}, "/payment_id"),
    "empty lines": (FactKind.ORDER_COMPLETED, ORDER | {"lines": []}, "/lines"),
    "empty lines of an invoice": (FactKind.ORDER_INVOICED, INVOICE | {"lines": []}, "/lines"),
    "lines an object": (FactKind.ORDER_COMPLETED, ORDER | {"lines": {"1": LINE}}, "/lines"),
    "lines a string": (FactKind.ORDER_COMPLETED, ORDER | {"lines": "1"}, "/lines"),
    "lines missing": (
        FactKind.ORDER_COMPLETED,
        {name: ORDER[name] for name in ORDER if name != "lines"},
        "/lines",
    ),
    "line a number": (FactKind.ORDER_COMPLETED, ORDER | {"lines": [LINE, 2]}, "/lines/1"),
    "line id repeated": (
        FactKind.ORDER_COMPLETED,
        order_with_line(line_id="1"),
        "/lines/1/line_id",
    ),
    "line id repeated in a cancellation": (
        FactKind.ORDER_CANCELED,
        CANCELLATION | {"lines": [{"line_id": "2", "quantity": 1}] * 2},
        "/lines/1/line_id",
    ),
    "quantity a float": (
        FactKind.ORDER_COMPLETED,
        order_with_line(quantity=1.0),
        "/lines/1/quantity",
    ),
    "quantity a boolean": (
        FactKind.ORDER_COMPLETED,
        order_with_line(quantity=True),
        "/lines/1/quantity",
    ),
    "quantity a string": (
        FactKind.ORDER_COMPLETED,
        order_with_line(quantity="2"),
        "/lines/1/quantity",
    ),
    "on hand a float": (FactKind.INVENTORY_UPDATED, BALANCE | {"on_hand": 1e3}, "/on_hand"),
    "on hand null": (FactKind.INVENTORY_UPDATED, BALANCE | {"on_hand": None}, "/on_hand"),
    "unlimited a number": (FactKind.INVENTORY_UPDATED, BALANCE | {"unlimited": 1}, "/unlimited"),
    "incomplete a string": (
        FactKind.ORDER_COMPLETED,
        ORDER | {"incomplete": "false"},
        "/incomplete",
    ),
    "payment a string": (FactKind.ORDER_COMPLETED, ORDER | {"payment": "card"}, "/payment"),
    "due date a time": (
        FactKind.ORDER_COMPLETED,
        ORDER | {"payment": {"due_date": "2026-11-25T00:00:00Z"}},
        "/payment/due_date",
    ),
    "due date of no calendar": (
        FactKind.ORDER_COMPLETED,
        ORDER | {"payment": {"due_date": "2026-02-29"}},
        "/payment/due_date",
    ),
    "invoice with lines and no id": (
        FactKind.ORDER_INVOICED,
        {name: INVOICE[name] for name in INVOICE if name != "invoice_id"},
        "/invoice_id",
    ),
    "cancellation with lines and no id": (
        FactKind.ORDER_CANCELED,
        CANCELLATION | {"cancellation_id": None},
        "/cancellation_id",
    ),
}
WRONG_TIMES = (
    1_795_446_000_000,
    "",
    "1795446000000",
    "2026-11-23",
    "2026-11-23T15:00:00",
    "2026-11-23 15:00:00Z",
    "20261123T150000Z",
    "2026-W48-1T15:00:00Z",
    "2026-11-23T15:00:00,5Z",
    "2026-11-23T15:00:00.Z",
    "2026-11-23T15Z",
    "2026-11-23T15:00.5Z",
    "2026-11-23T15:00:00+03",
    "2026-11-23T15:00:00+03:0",
    "2026-11-23T23:59:60Z",
    "2026-11-23T15:00:00+24:00",
    "2026-11-23T24:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-02-29T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "+2026-11-23T15:00:00Z",
    "2026-11-23T15:00:00Z\n",
    "\u0662026-11-23T15:00:00Z",
    None,
)


def many_lines(count: int) -> list[dict[str, Any]]:
    """Return so many different lines."""
    return [LINE | {"line_id": str(number)} for number in range(count)]


BROKEN_BOUNDS: dict[str, tuple[FactKind, dict[str, Any], str]] = {
    "quantity 0": (FactKind.ORDER_COMPLETED, order_with_line(quantity=0), "/lines/1/quantity"),
    "quantity below 0": (
        FactKind.ORDER_COMPLETED,
        order_with_line(quantity=-1),
        "/lines/1/quantity",
    ),
    "quantity too large": (
        FactKind.ORDER_COMPLETED,
        order_with_line(quantity=1_000_001),
        "/lines/1/quantity",
    ),
    "quantity huge": (
        FactKind.ORDER_INVOICED,
        INVOICE | {"lines": [{"line_id": "1", "quantity": 10**4000}]},
        "/lines/0/quantity",
    ),
    "501 lines": (FactKind.ORDER_COMPLETED, ORDER | {"lines": many_lines(501)}, "/lines"),
    "on hand too large": (
        FactKind.INVENTORY_UPDATED,
        BALANCE | {"on_hand": 10**12 + 1},
        "/on_hand",
    ),
    "on hand too small": (
        FactKind.INVENTORY_UPDATED,
        BALANCE | {"on_hand": -(10**12) - 1},
        "/on_hand",
    ),
    "limit too large": (FactKind.INVENTORY_UPDATED, BALANCE | {"limit": 2**63}, "/limit"),
    "period of 10^15 seconds": (
        FactKind.ORDER_COMPLETED,
        ORDER | {"reservation_ttl_seconds": 10**15},
        "/reservation_ttl_seconds",
    ),
    "period below 0": (
        FactKind.ORDER_COMPLETED,
        ORDER | {"reservation_ttl_seconds": -1},
        "/reservation_ttl_seconds",
    ),
    "deadline behind the year 9999": (
        FactKind.ORDER_COMPLETED,
        ORDER | {"reservation_ttl_seconds": 10**15 - 1},
        "/reservation_ttl_seconds",
    ),
    "due date too late": (
        FactKind.ORDER_COMPLETED,
        ORDER | {"payment": {"due_date": "9999-12-31"}},
        "/payment/due_date",
    ),
    "time before the year 1": (
        FactKind.ORDER_CANCELED,
        CANCELLATION | {"canceled_at": "0001-01-01T00:00:00+00:01"},
        "/canceled_at",
    ),
    "time behind the year 9999": (
        FactKind.ORDER_COMPLETED,
        ORDER | {"reservation_expires_at": "9999-12-31T23:59:59-00:01"},
        "/reservation_expires_at",
    ),
}
BROKEN_IDS = ("", "a" * 129, "é" * 65, "a\nb", "a\x00", "\x1b[31m", "a\x7f", "a\x85b")
STRANGE_IDS = ("a", "a" * 128, "é" * 64, "{s1}", "a:b", "a/b%2F", " ", "\u202e", "🧦", "*", "null")
