"""Writes the records of a day: facts of a shop in each encoding that a shop's systems use."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

ORDER_COMPLETED = "order-completed"
PAYMENT_APPROVED = "payment-approved"
ORDER_INVOICED = "order-invoiced"
ORDER_CANCELED = "order-canceled"
INVENTORY_UPDATED = "inventory-updated"

EVENT_TYPES = {
    ORDER_COMPLETED: "order.completed.v1",
    PAYMENT_APPROVED: "payment.approved.v1",
    ORDER_INVOICED: "order.invoiced.v1",
    ORDER_CANCELED: "order.canceled.v1",
    INVENTORY_UPDATED: "inventory.updated.v1",
}
"""The CloudEvents type of each input topic's events."""

DUPLICATE_SHARE = 0.06
"""So many of the day's records are delivered a second time."""
DUPLICATE_DELAY_MAX_MS = 6_000
LAST_RECORD_MS = 36_000
"""No record is sent later in the day."""


@dataclass(frozen=True, slots=True)
class DayRecord:
    """One record that is sent to an input topic at a moment of the day."""

    at_ms: int
    """Milliseconds since the day began."""
    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(slots=True)
class Notebook:
    """The records of a day while they are being written, in no particular order."""

    random: Random
    started_at_ms: int
    records: list[DayRecord] = field(default_factory=list)

    def time(self, at_ms: int) -> str:
        """Return a moment of the day as RFC 3339."""
        moment = datetime.fromtimestamp((self.started_at_ms + at_ms) / 1000, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def write(self, at_ms: int, topic: str, key: str, body: Mapping[str, object]) -> None:
        """Note a fact in one of the three encodings; some are delivered twice."""
        record = self._encoded(at_ms, topic, key, body)
        self.records.append(record)
        if self.random.random() < DUPLICATE_SHARE:
            self.repeat(record, at_ms + self.random.randint(0, DUPLICATE_DELAY_MAX_MS))

    def write_raw(
        self,
        at_ms: int,
        topic: str,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Note a record as it is."""
        key = f"raw-{self.random.randrange(10**6)}".encode()
        self.records.append(DayRecord(at_ms, topic, key, value, tuple(headers)))

    def repeat(self, record: DayRecord, at_ms: int) -> None:
        """Note the same record once more."""
        again = DayRecord(
            max(record.at_ms, min(at_ms, LAST_RECORD_MS)),
            record.topic,
            record.key,
            record.value,
            record.headers,
        )
        self.records.append(again)

    def _encoded(self, at_ms: int, topic: str, key: str, body: Mapping[str, object]) -> DayRecord:
        attributes = {
            "specversion": "1.0",
            "id": f"{self.random.getrandbits(64):016x}",
            "source": "/shop",
            "type": EVENT_TYPES[topic],
        }
        encoding = self.random.random()
        headers: tuple[tuple[str, bytes], ...] = ()
        if encoding < 0.5:  # noqa: PLR2004 -- half of the records are bare JSON
            value = _json(body)
        elif encoding < 0.8:  # noqa: PLR2004 -- of the rest, more than half are in binary mode
            value = _json(body)
            headers = tuple((f"ce_{name}", text.encode()) for name, text in attributes.items())
            headers += (("traceparent", self._traceparent()),)
        else:
            value = _json({**attributes, "datacontenttype": "application/json", "data": body})
            headers = (("content-type", b"application/cloudevents+json; charset=utf-8"),)
        return DayRecord(at_ms, topic, key.encode(), value, headers)

    def _traceparent(self) -> bytes:
        trace, span = self.random.getrandbits(128) | 1, self.random.getrandbits(64) | 1
        return f"00-{trace:032x}-{span:016x}-01".encode()


def _json(body: Mapping[str, object]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()
