"""One account whose facts are told one by one, so that every byte of its events is known."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reservation_worker.contracts.records import Record
from reservation_worker.domain.keys import shard_of
from tests.integration.shop import bare
from tests.integration.stage import Stage
from tests.integration.topics import Message
from tests.waiting import wait_until

PUBLISH_TIMEOUT_MS = 30_000
EVENT_TYPES = {
    "reservation-changed": "reservation.changed.v1",
    "acknowledged-reservation": "reservation.acknowledged.v1",
    "stock-changed": "reservation.stock-changed.v1",
}
MORNING = "2024-05-06T02:00:00Z"
COMPLETED = "2024-05-06T10:00:00Z"
PAID = "2024-05-06T10:04:10.250Z"
FIRST_INVOICE = "2024-05-06T12:00:00Z"
NOON_COUNT = "2024-05-06T12:30:00Z"
SECOND_INVOICE = "2024-05-06T13:00:00Z"
EVENING = "2024-05-06T20:00:00Z"
FAR_DEADLINE = "2033-01-11T00:00:00Z"
PASSED_DEADLINE = "2024-05-06T11:00:00Z"
INTERNAL = b',"internal":'
WITH_INTERNAL = frozenset({"reservation-changed", "stock-changed"})
EVERY_PLACE = ("held", "acknowledged", "settled", "canceled", "expired", "denied")


@dataclass(frozen=True, slots=True)
class Expected:
    """An event as the contract has it; what is in ``internal`` is nobody's business."""

    topic: str
    key: str
    time: str
    body: Mapping[str, Any]


@dataclass(slots=True)
class GoldenShop:
    """Tells facts to a worker and compares what it publishes, step by step."""

    stage: Stage
    account: str
    step: int = 0
    cause: dict[str, Any] = field(default_factory=dict)
    """Of the fact that was told last."""
    traceparent: bytes | None = None

    @property
    def shard(self) -> int:
        """Where all events of the account are."""
        return shard_of(self.account, self.stage.topics.shards_total)

    def tell(self, message: Message, event_id: str | None = None) -> dict[str, Any]:
        """Send a fact; return the cause that its changes must name."""
        [(partition, offset)] = self.stage.send([message])
        topic = self.stage.topics.name(message.topic)
        self.cause = {"topic": topic, "partition": partition, "offset": offset}
        self.cause["event_id"] = event_id
        self.traceparent = dict(message.headers).get("traceparent")
        return self.cause

    def open(self, on_hand: int = 10) -> None:
        """Count the cups for the first time."""
        self.count(on_hand, MORNING)
        stock = {"on_hand": on_hand, "available": on_hand, "counted_at": MORNING}
        self.expect(self.stock("cup", 1, MORNING, **stock))

    def count(self, on_hand: int, counted_at: str, sku: str = "cup", **terms: object) -> None:
        """Tell a balance."""
        fields = {"warehouse_id": "main", "sku": sku, "on_hand": on_hand, **terms}
        self.tell(bare("inventory-updated", account=self.account, counted_at=counted_at, **fields))

    def complete(self, order_id: str, lines: list[dict[str, Any]], **terms: object) -> None:
        """Tell an order; it has all the time of the world unless its terms say otherwise."""
        terms = terms or {"reservation_expires_at": FAR_DEADLINE}
        identity = {"account": self.account, "order_id": order_id, "completed_at": COMPLETED}
        self.tell(bare("order-completed", **identity, lines=lines, **terms))

    def pay(self, order_id: str, payment_id: str | None = "P-1") -> None:
        """Tell a payment."""
        identity = {"account": self.account, "order_id": order_id}
        self.tell(bare("payment-approved", **identity, approved_at=PAID, payment_id=payment_id))

    def expect(self, *expected: Expected) -> None:
        """Wait for the next step's events, and hold every byte of them against the contract."""
        self.step += 1
        prefix = f'{{"event_id":"{self.shard}-{self.step}-'.encode()
        found: list[Record] = []

        def published() -> bool:
            found[:] = [
                record
                for record in self.stage.watch().poll()
                if (record.value or b"").startswith(prefix) and record.partition == self.shard
            ]
            return len(found) >= len(expected)

        wait_until(
            published,
            timeout_ms=PUBLISH_TIMEOUT_MS,
            what=f"step {self.step} is published\n{self.stage.last_words()}",
        )
        found.sort(key=_index)
        assert len(expected) == len(found), f"step {self.step}: {found}"
        for index, (one, record) in enumerate(zip(expected, found, strict=True)):
            wanted, actual = self._of(one, index), self._readable(record)
            assert wanted == actual, f"step {self.step}, event {index}:\n{wanted}\n{actual}"

    def expect_nothing(self) -> None:
        """See that the facts told since the last step have published nothing."""
        self.stage.wait_until_settled()
        prefix = f'{{"event_id":"{self.shard}-{self.step + 1}-'.encode()
        records = self.stage.watch().read_to_the_end()
        assert [] == [one for one in records if (one.value or b"").startswith(prefix)]

    def change(self, order_id: str, version: int, **fields: Any) -> Expected:  # noqa: ANN401
        """Return a change of a reservation."""
        status, reason, occurred_at = fields["status"], fields["reason"], fields["occurred_at"]
        body = {
            "account": self.account,
            "order_id": order_id,
            "version": version,
            "status": status,
            "previous_status": fields["previous_status"],
            "reason": reason,
            "occurred_at": occurred_at,
            "expires_at": fields.get("expires_at"),
            "completed_at": fields.get("completed_at"),
            "paid_at": fields.get("paid_at"),
            "lines": fields["lines"],
            "shortages": fields.get("shortages", []),
            "refund_needed": fields.get("refund_needed", False),
            "conflicts": fields.get("conflicts", []),
            "cause": fields.get("cause", self.cause),
        }
        key = f"{self.account}/{order_id.replace('/', '%2F')}"
        return Expected("reservation-changed", key, occurred_at, body)

    def acknowledged(
        self,
        order_id: str,
        version: int,
        at: str,
        invoice_id: str | None,
        *lines: dict[str, Any],
        already_counted: tuple[dict[str, Any], ...] = (),
    ) -> Expected:
        """Return what the ERP must take out of its stock, and what a count has taken out."""
        body = {
            "account": self.account,
            "order_id": order_id,
            "version": version,
            "acknowledged_at": at,
            "invoice_id": invoice_id,
            "lines": list(lines),
            "already_counted": list(already_counted),
        }
        return Expected("acknowledged-reservation", f"{self.account}/{order_id}", at, body)

    def stock(self, sku: str, version: int, time: str, **fields: Any) -> Expected:  # noqa: ANN401
        """Return a stock after a step; buckets that are not named are empty."""
        body = {
            "account": self.account,
            "warehouse_id": "main",
            "sku": sku,
            "version": version,
            "on_hand": fields["on_hand"],
            "available": fields["available"],
            "authorized": fields.get("authorized", 0),
            "confirmed": fields.get("confirmed", 0),
            "acknowledged": fields.get("acknowledged", 0),
            "limit": fields.get("limit", 0),
            "unlimited": fields.get("unlimited", False),
            "counted_at": fields["counted_at"],
        }
        return Expected("stock-changed", f"{self.account}/main/{sku}", time, body)

    def _of(self, expected: Expected, index: int) -> dict[str, Any]:
        event_id = f"{self.shard}-{self.step}-{index}"
        text = json.dumps(
            {"event_id": event_id, **expected.body}, separators=(",", ":"), ensure_ascii=False
        ).encode()
        headers = {
            "ce_specversion": b"1.0",
            "ce_id": event_id.encode(),
            "ce_source": f"/reservation-worker/{self.stage.group_id}".encode(),
            "ce_type": EVENT_TYPES[expected.topic].encode(),
            "ce_subject": expected.key.encode(),
            "ce_time": expected.time.encode(),
            "ce_partitionkey": self.account.encode(),
            "content-type": b"application/json",
        }
        if self.traceparent is not None:
            headers["traceparent"] = self.traceparent
        return {
            "topic": self.stage.topics.name(expected.topic),
            "key": expected.key.encode(),
            "value": text[:-1] if expected.topic in WITH_INTERNAL else text,
            "headers": headers,
        }

    def _readable(self, record: Record) -> dict[str, Any]:
        """Return what must be so, without the object that no reader needs."""
        value = record.value or b""
        assert len(record.headers) == len(dict(record.headers)), "a header comes twice"
        return {
            "topic": record.topic,
            "key": record.key,
            "value": value[: value.rindex(INTERNAL)] if INTERNAL in value else value,
            "headers": dict(record.headers),
        }


def _index(record: Record) -> int:
    return int(str(json.loads(record.value or b"")["event_id"]).rpartition("-")[2])


def line(line_id: str, sku: str, quantity: int, **places: int) -> dict[str, Any]:
    """Return a line of a change; places that are not named hold nothing."""
    assert quantity == sum(places.values()), "every unit is in exactly one place"
    where = {"line_id": line_id, "warehouse_id": "main", "sku": sku, "quantity": quantity}
    return {**where, **{place: places.get(place, 0) for place in EVERY_PLACE}}


def ordered(line_id: str, sku: str, quantity: int) -> dict[str, Any]:
    """Return a line as orders and acknowledgements name it."""
    return {"line_id": line_id, "warehouse_id": "main", "sku": sku, "quantity": quantity}
