"""JSON Schemas (2020-12) of every event read and written, as files."""

import json
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from reservation_worker.contracts.inputs import BODY_OF
from reservation_worker.contracts.outputs import OUTPUT_BODY_OF
from reservation_worker.contracts.records import OutputTopic
from reservation_worker.contracts.samples import sample_body

SUFFIX: Final = ".schema.json"
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_EXAMPLE_AT_MS: Final = 1_795_446_000_000
"""2026-11-23T15:00:00Z, as in all examples."""

_LINE: Final[dict[str, Any]] = {
    "line_id": "1",
    "warehouse_id": "main",
    "sku": "2000017",
    "quantity": 2,
}
_PLACES: Final[dict[str, Any]] = {
    "held": 2,
    "acknowledged": 0,
    "settled": 0,
    "canceled": 0,
    "expired": 0,
    "denied": 0,
}
OUTPUT_EXAMPLES: Final[dict[OutputTopic, dict[str, Any]]] = {
    OutputTopic.RESERVATION_CHANGED: {
        "event_id": "3-1207-14",
        "account": "acme",
        "order_id": "v7300001-01",
        "version": 2,
        "status": "Confirmed",
        "previous_status": "Authorized",
        "reason": "payment_approved",
        "occurred_at": "2026-11-23T15:04:10Z",
        "expires_at": None,
        "completed_at": "2026-11-23T15:00:00Z",
        "paid_at": "2026-11-23T15:04:10Z",
        "lines": [_LINE | _PLACES],
        "shortages": [],
        "refund_needed": False,
        "conflicts": [],
        "cause": {
            "topic": "payment-approved",
            "partition": 3,
            "offset": 8812,
            "event_id": None,
        },
        "internal": {"order_digest": "5d41402abc4b2a76", "payment_id": "PAY-000001"},
    },
    OutputTopic.ACKNOWLEDGED_RESERVATION: {
        "event_id": "3-1490-2",
        "account": "acme",
        "order_id": "v7300001-01",
        "version": 3,
        "acknowledged_at": "2026-11-24T09:00:00Z",
        "invoice_id": "NF-1001",
        "lines": [_LINE],
        "already_counted": [],
    },
    OutputTopic.STOCK_CHANGED: {
        "event_id": "3-1207-15",
        "account": "acme",
        "warehouse_id": "main",
        "sku": "2000017",
        "version": 41,
        "on_hand": 100,
        "available": 58,
        "authorized": 12,
        "confirmed": 20,
        "acknowledged": 10,
        "limit": 0,
        "unlimited": False,
        "counted_at": "2026-11-23T02:00:00Z",
        "internal": {
            "counted_by": {
                "topic": "inventory-updated",
                "partition": 0,
                "offset": 512,
                "event_id": None,
            }
        },
    },
}
"""One event of each topic that is written, field by field in the order of its bytes."""


def export(directory: Path) -> tuple[Path, ...]:
    """Write every schema into a directory; return the files."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in _texts().items():
        path = directory / name
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return tuple(written)


def check(directory: Path) -> tuple[str, ...]:
    """Return the names of schema files that are missing, outdated or of no event."""
    texts = _texts()
    outdated = [
        name
        for name, text in texts.items()
        if not (directory / name).is_file() or (directory / name).read_text("utf-8") != text
    ]
    strangers = [path.name for path in directory.glob(f"*{SUFFIX}") if path.name not in texts]
    return tuple(sorted(outdated + strangers))


def _texts() -> dict[str, str]:
    """Return the text of every file by its name: the same for the same models."""
    inputs = {
        kind.value: _schema(kind.value, body, sample_body(kind, 0, _EXAMPLE_AT_MS))
        for kind, body in BODY_OF.items()
    }
    outputs = {
        topic.value: _schema(topic.value, body, OUTPUT_EXAMPLES[topic])
        for topic, body in OUTPUT_BODY_OF.items()
    }
    return {
        f"{name}{SUFFIX}": json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for name, schema in (inputs | outputs).items()
    }


def _schema(name: str, body: type[BaseModel], example: dict[str, Any]) -> dict[str, Any]:
    schema = body.model_json_schema(by_alias=True, mode="validation")
    head = {"$schema": _DIALECT, "$id": f"urn:reservation-worker:{name}:v1", "title": name}
    return head | {key: schema[key] for key in schema if key != "title"} | {"examples": [example]}
