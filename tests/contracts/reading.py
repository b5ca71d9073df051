"""A decoder as a shop would set it up, and records for it to read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from reservation_worker.contracts.decode import AccountPolicy, Decoder, DecoderConfig
from reservation_worker.contracts.inputs import FactKind
from reservation_worker.contracts.records import Headers, Record, Rejection, RejectionCode
from reservation_worker.domain.deadline import DeadlineRules
from reservation_worker.domain.facts import InputFact

READ_AT_MS = 1_795_446_000_000
"""2026-11-23T15:00:00Z, the timestamp of every record here."""
TOPICS = {f"shop.{kind.value}": kind for kind in FactKind}

ORDER: dict[str, Any] = {
    "account": "acme",
    "order_id": "v7300001-01",
    "completed_at": "2026-11-23T15:00:00Z",
    "lines": [
        {"line_id": "1", "warehouse_id": "main", "sku": "2000017", "quantity": 2},
        {"line_id": "2", "warehouse_id": "main", "sku": "2000044", "quantity": 1},
    ],
    "payment": {"method": "bank-slip", "due_date": "2026-11-25"},
}
PAYMENT: dict[str, Any] = {
    "account": "acme",
    "order_id": "v7300001-01",
    "approved_at": "2026-11-23T14:04:10Z",
    "payment_id": "p-1",
}
INVOICE: dict[str, Any] = {
    "account": "acme",
    "order_id": "v7300001-01",
    "invoiced_at": "2026-11-23T14:30:00.5Z",
    "invoice_id": "NF-1001",
    "lines": [{"line_id": "1", "quantity": 2}],
}
CANCELLATION: dict[str, Any] = {
    "account": "acme",
    "order_id": "v7300001-01",
    "canceled_at": "2026-11-23T11:00:00-03:00",
    "cancellation_id": "C-1",
    "reason": "customer_request",
    "lines": [{"line_id": "2", "quantity": 1}],
}
BALANCE: dict[str, Any] = {
    "account": "acme",
    "warehouse_id": "main",
    "sku": "2000017",
    "on_hand": 100,
    "counted_at": "2026-11-23T02:00:00Z",
    "limit": -5,
    "unlimited": False,
}
BODIES: dict[FactKind, dict[str, Any]] = {
    FactKind.ORDER_COMPLETED: ORDER,
    FactKind.PAYMENT_APPROVED: PAYMENT,
    FactKind.ORDER_INVOICED: INVOICE,
    FactKind.ORDER_CANCELED: CANCELLATION,
    FactKind.INVENTORY_UPDATED: BALANCE,
}


@dataclass(frozen=True, slots=True)
class DecoderAtNow:
    """A decoder, and the moment at which it reads."""

    decoder: Decoder
    now_ms: int

    def decode(self, record: Record) -> InputFact | Rejection:
        """Return what a record states."""
        return self.decoder.decode(record, self.now_ms)


def decoder(
    default_account: str | None = None,
    *,
    now_ms: int = READ_AT_MS,
    accounts_allowed: Mapping[str, frozenset[str]] = MappingProxyType({}),
) -> DecoderAtNow:
    """Return a decoder with one account that differs from the others."""
    config = DecoderConfig(
        topics=TOPICS,
        default_account=default_account,
        type_aliases={"com.shop.order-placed": FactKind.ORDER_COMPLETED},
        account_defaults=AccountPolicy(
            DeadlineRules(payment_method_period_seconds={"wallet": 900})
        ),
        accounts={
            "refunding": AccountPolicy(
                DeadlineRules(time_zone=ZoneInfo("America/Sao_Paulo")), reacquire=False
            )
        },
        accounts_allowed=accounts_allowed,
    )
    return DecoderAtNow(Decoder(config), now_ms)


def record(kind: FactKind, value: bytes | None, headers: Headers = ()) -> Record:
    """Return a record of the kind's topic."""
    return Record(f"shop.{kind.value}", 3, 8812, READ_AT_MS, b"any key", value, headers)


def json_record(kind: FactKind, body: object, headers: Headers = ()) -> Record:
    """Return a record of the kind's topic with a body."""
    return record(kind, json.dumps(body).encode(), headers)


def headers_of(**attributes: str) -> Headers:
    """Return CloudEvents headers of binary mode."""
    return tuple((f"ce_{name}", value.encode()) for name, value in attributes.items())


def assert_rejected(code: RejectionCode, pointer: str | None, found: InputFact | Rejection) -> None:
    """Hold what was decoded against the code and the pointer of a rejection."""
    assert isinstance(found, Rejection), found
    assert code is found.code
    assert pointer == found.pointer
