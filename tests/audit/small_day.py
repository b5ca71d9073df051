"""A few facts in the words of the topics, taken by the ledger: the auditor is content with them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from reservation_worker.contracts.instants import instant_text
from reservation_worker.contracts.records import Record
from tests.audit.ledger_worker import LedgerWorker

MORNING_MS = 1_795_446_000_000
CHANGED = "reservation-changed"
ACKNOWLEDGED = "acknowledged-reservation"
STOCK_CHANGED = "stock-changed"
DEAD_LETTERS = "reservation-dead-letter"


class Shop:
    """Sends facts at moments of the day, and lets the worker take them unless told otherwise."""

    def __init__(self) -> None:
        self.worker = LedgerWorker()

    def count(
        self,
        at_ms: int,
        on_hand: int,
        sku: str = "mug",
        *,
        terms: Mapping[str, object] | None = None,
        is_taken: bool = True,
    ) -> Record:
        """Send a balance, maybe with a limit or a mark."""
        body = {"warehouse_id": "main", "sku": sku, "on_hand": on_hand, **(terms or {})}
        return self._send("inventory-updated", "counted_at", at_ms, body, is_taken=is_taken)

    def order(
        self,
        at_ms: int,
        order_id: str,
        quantity: int = 1,
        *,
        seconds_to_live: int = 3_600,
        is_taken: bool = True,
    ) -> Record:
        """Send an order of one line."""
        line = {"line_id": "1", "warehouse_id": "main", "sku": "mug", "quantity": quantity}
        body = {
            "order_id": order_id,
            "lines": [line],
            "reservation_ttl_seconds": seconds_to_live,
        }
        return self._send("order-completed", "completed_at", at_ms, body, is_taken=is_taken)

    def pay(
        self, at_ms: int, order_id: str, payment_id: str | None = None, *, is_taken: bool = True
    ) -> Record:
        """Send a payment."""
        body = {"order_id": order_id, "payment_id": payment_id}
        return self._send("payment-approved", "approved_at", at_ms, body, is_taken=is_taken)

    def invoice(
        self, at_ms: int, order_id: str, invoice_id: str | None = None, received_ms: int = 0
    ) -> Record:
        """Send an invoice of the whole order."""
        body = {"order_id": order_id, "invoice_id": invoice_id}
        return self._send("order-invoiced", "invoiced_at", at_ms, body, received_ms=received_ms)

    def cancel(self, at_ms: int, order_id: str) -> Record:
        """Send a cancellation of the whole order."""
        return self._send("order-canceled", "canceled_at", at_ms, {"order_id": order_id})

    def broken(self, at_ms: int, *, is_taken: bool = True) -> Record:
        """Send what is no JSON."""
        record = self.worker.receive("order-completed", b"broken", MORNING_MS + at_ms)
        if is_taken:
            self.worker.take(record)
        return record

    def pass_time(self, at_ms: int) -> None:
        """Let deadlines pass."""
        self.worker.pass_time(MORNING_MS + at_ms)

    def edit_last(self, topic: str, edit: Callable[[Record], Record]) -> None:
        """Falsify the newest record of an output topic."""
        outputs = self.worker.outputs
        last = max(index for index, record in enumerate(outputs) if record.topic == topic)
        outputs[last] = edit(outputs[last])

    def rewrite_last(self, topic: str, **members: object) -> None:
        """Falsify members of the newest event of an output topic."""

        def edit(record: Record) -> Record:
            body = json.loads(record.value or b"") | members
            return replace(record, value=json.dumps(body).encode())

        self.edit_last(topic, edit)

    def drop_last(self, topic: str) -> None:
        """Take the newest record out of an output topic."""
        outputs = self.worker.outputs
        del outputs[max(index for index, record in enumerate(outputs) if record.topic == topic)]

    def _send(
        self,
        topic: str,
        time_name: str,
        at_ms: int,
        body: dict[str, Any],
        *,
        is_taken: bool = True,
        received_ms: int = 0,
    ) -> Record:
        """Send a fact; its record is of the same moment, unless it was received later."""
        moment_ms = MORNING_MS + at_ms
        whole = {"account": "acme", time_name: instant_text(moment_ms), **body}
        record_ms = MORNING_MS + max(at_ms, received_ms)
        record = self.worker.receive(topic, json.dumps(whole).encode(), record_ms)
        if is_taken:
            self.worker.take(record)
        return record


def ordinary_shop() -> Shop:
    """Return a shop whose day has something for every law, and no fault."""
    shop = Shop()
    shop.count(0, 10)
    shop.order(100, "paid", 2)
    shop.pay(200, "paid")
    shop.order(300, "unpaid", 3, seconds_to_live=1)
    shop.order(350, "late", 1, seconds_to_live=1)
    shop.order(400, "greedy", 50)
    shop.broken(500)
    shop.pass_time(5_000)
    shop.pay(5_100, "late")
    shop.invoice(5_200, "paid")
    shop.pass_time(6_000)
    return shop


def quarrelsome_shop() -> Shop:
    """Return a shop whose day has what two clocks, two senders and a careless ERP can do."""
    shop = Shop()
    shop.count(0, 20, terms={"limit": 1})
    shop.count(0, 18)
    shop.count(0, 18, terms={"limit": 2, "unlimited": False})
    shop.count(0, 20, terms={"limit": 1})
    shop.count(0, 18)
    shop.order(100, "again", 2)
    shop.order(150, "again", 2)
    shop.order(160, "again", 3)
    shop.order(170, "again", 3)
    shop.pay(200, "again")
    shop.pay(210, "again", "p1")
    shop.pay(220, "again", "p2")
    shop.pay(230, "again")
    shop.invoice(50, "again", "NF1", received_ms=300)
    shop.order(310, "again", 2)
    shop.order(320, "unknown", 1)
    shop.invoice(400, "early", "NF2")
    shop.order(500, "early", 2)
    shop.count(600, 15, terms={"limit": -3})
    shop.pass_time(700)
    shop.order(800, "again", 2)
    shop.order(800, "again", 2)
    shop.order(550, "late", 1)
    shop.invoice(560, "late", "NF3", received_ms=900)
    shop.cancel(950, "late")
    shop.invoice(960, "ghost")
    shop.pass_time(1_000)
    return shop
