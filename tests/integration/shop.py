"""Seeded traffic of a shop: every fact of the domain, in every encoding, some twice, disordered."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from tests.integration.topics import Message

SKUS = ("cup", "jug", "pan", "pot")
SCARCE = "scarce"
ENDLESS = "endless"
HOUR_MS = 3_600_000
SHORT_SECONDS = 1
"""So long have customers to pay who will not."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EVENT_TYPES = {
    "order-completed": "order.completed.v1",
    "payment-approved": "payment.approved.v1",
    "order-invoiced": "order.invoiced.v1",
    "order-canceled": "order.canceled.v1",
    "inventory-updated": "inventory.updated.v1",
}


def instant(at_ms: int) -> str:
    """Write a moment as RFC 3339."""
    return (EPOCH + timedelta(milliseconds=at_ms)).isoformat(timespec="milliseconds")


def bare(topic: str, **fields: object) -> Message:
    """Return a fact as a bare JSON object."""
    return Message(topic, json.dumps(fields, separators=(",", ":")).encode())


def binary(topic: str, event_id: str, **fields: object) -> Message:
    """Return a fact as a CloudEvent in binary mode."""
    attributes = _attributes(topic, event_id)
    headers = tuple((f"ce_{name}", text.encode()) for name, text in attributes.items())
    return Message(topic, json.dumps(fields).encode(), None, headers)


def structured(topic: str, event_id: str, **fields: object) -> Message:
    """Return a fact as a CloudEvent in structured mode."""
    event = {**_attributes(topic, event_id), "data": fields}
    headers = (("content-type", b"application/cloudevents+json"),)
    return Message(topic, json.dumps(event).encode(), None, headers)


def _attributes(topic: str, event_id: str) -> dict[str, str]:
    return {"specversion": "1.0", "id": event_id, "source": "/shop", "type": EVENT_TYPES[topic]}


@dataclass(slots=True)
class Traffic:
    """What a shop sends, in the order in which it happens."""

    random: Random
    now_ms: int
    prefix: str
    """Of all ids, so that several loads of one stage do not meet."""
    messages: list[Message] = field(default_factory=list)

    def tell(self, topic: str, **fields: object) -> None:
        """Note a fact in one of the three encodings."""
        event_id = f"{self.prefix}-{len(self.messages)}"
        match self.random.randrange(4):
            case 0:
                self.messages.append(binary(topic, event_id, **fields))
            case 1:
                self.messages.append(structured(topic, event_id, **fields))
            case _:
                self.messages.append(bare(topic, **fields))


@dataclass(frozen=True, slots=True)
class Order:
    """One order while its story is told."""

    account: str
    order_id: str
    skus: tuple[str, ...]

    @property
    def lines(self) -> list[dict[str, object]]:
        """Two units of each sku."""
        return [
            {"line_id": str(number), "warehouse_id": "main", "sku": sku, "quantity": 2}
            for number, sku in enumerate(self.skus, start=1)
        ]


Story = Callable[[Traffic, Order], None]


def balances(now_ms: int, accounts: Sequence[str], on_hand: int = 100_000) -> Iterator[Message]:
    """Count every stock of the accounts, an hour ago."""
    counted_at = instant(now_ms - HOUR_MS)
    for account in accounts:
        place = {"account": account, "warehouse_id": "main", "counted_at": counted_at}
        for sku in SKUS:
            yield bare("inventory-updated", **place, sku=sku, on_hand=on_hand)
        yield bare("inventory-updated", **place, sku=SCARCE, on_hand=7, limit=2)
        yield bare("inventory-updated", **place, sku=ENDLESS, on_hand=0, unlimited=True)


def traffic(
    seed: int, now_ms: int, accounts: Sequence[str], orders_total: int, prefix: str
) -> list[Message]:
    """Return a load: stories told in turns, a part of it twice, some of it unusable."""
    load = Traffic(Random(seed), now_ms, prefix)
    for number in range(orders_total):
        account = accounts[number % len(accounts)]
        skus = tuple(load.random.sample(SKUS, load.random.choice((1, 2, 2))))
        order = Order(account, f"{prefix}-{number}", skus)
        STORIES[number % len(STORIES)](load, order)
    for account in accounts:
        _count_again(load, account)
    messages = _interleaved(load)
    _insert_unusable(load, messages, accounts)
    return messages


def _interleaved(load: Traffic) -> list[Message]:
    """Let neighbours change places, and send some records twice."""
    disordered = [
        message
        for _, message in sorted(
            enumerate(load.messages), key=lambda one: one[0] + load.random.randrange(30)
        )
    ]
    repeated = load.random.sample(disordered, len(disordered) // 10)
    return disordered + repeated


def _insert_unusable(load: Traffic, messages: list[Message], accounts: Sequence[str]) -> None:
    for account in accounts:
        unusable = (
            Message("order-completed", f"poison of {load.prefix} {account}".encode(), b"key"),
            Message("payment-approved", None, account.encode()),
            bare("order-invoiced", account=account, order_id=load.prefix),
        )
        for message in unusable:
            messages.insert(load.random.randrange(len(messages)), message)


# ---- stories


def _complete(load: Traffic, order: Order, hours_ago: float = 0, **terms: object) -> None:
    terms = terms or {"reservation_ttl_seconds": 86_400}
    load.tell(
        "order-completed",
        account=order.account,
        order_id=order.order_id,
        completed_at=instant(load.now_ms - int(hours_ago * HOUR_MS)),
        lines=order.lines,
        **terms,
    )


def _pay(load: Traffic, order: Order, payment_id: str | None = "first") -> None:
    load.tell(
        "payment-approved",
        account=order.account,
        order_id=order.order_id,
        approved_at=instant(load.now_ms),
        payment_id=payment_id,
    )


def _invoice(load: Traffic, order: Order, at_ms: int, **units: object) -> None:
    load.tell(
        "order-invoiced",
        account=order.account,
        order_id=order.order_id,
        invoiced_at=instant(at_ms),
        **units,
    )


def _cancel(load: Traffic, order: Order, **units: object) -> None:
    load.tell(
        "order-canceled",
        account=order.account,
        order_id=order.order_id,
        canceled_at=instant(load.now_ms),
        **units,
    )


def _paid_and_delivered(load: Traffic, order: Order) -> None:
    _complete(load, order)
    _pay(load, order)
    _invoice(load, order, load.now_ms, invoice_id="whole")


def _delivered_in_parts(load: Traffic, order: Order) -> None:
    _complete(load, order)
    _pay(load, order)
    for number in (1, 2):
        units = [{"line_id": "1", "quantity": 1}]
        _invoice(load, order, load.now_ms - 1_000 * number, invoice_id=str(number), lines=units)


def _partly_canceled(load: Traffic, order: Order) -> None:
    _complete(load, order)
    _cancel(load, order, cancellation_id="one", lines=[{"line_id": "1", "quantity": 1}])
    _pay(load, order)


def _left_unpaid(load: Traffic, order: Order) -> None:
    _complete(load, order, reservation_ttl_seconds=SHORT_SECONDS)


def _told_backwards(load: Traffic, order: Order) -> None:
    _invoice(load, order, load.now_ms, invoice_id="early", lines=[{"line_id": "1", "quantity": 1}])
    _pay(load, order)
    _complete(load, order)


def _canceled(load: Traffic, order: Order) -> None:
    _complete(load, order)
    _cancel(load, order)


def _bought_what_is_scarce(load: Traffic, order: Order) -> None:
    scarce = Order(order.account, order.order_id, (SCARCE, SCARCE))
    _complete(load, scarce)
    _pay(load, scarce)


def _bought_what_has_no_end(load: Traffic, order: Order) -> None:
    _complete(load, Order(order.account, order.order_id, (ENDLESS,)))


def _paid_twice(load: Traffic, order: Order) -> None:
    _complete(load, order)
    _pay(load, order)
    _pay(load, order, "second")


def _invoiced_before_the_count(load: Traffic, order: Order) -> None:
    _complete(load, order, hours_ago=3)
    _pay(load, order)
    _invoice(load, order, load.now_ms - 2 * HOUR_MS)


def _invoiced_before_it_was_sold(load: Traffic, order: Order) -> None:
    _complete(load, order)
    _invoice(load, order, load.now_ms - 2 * HOUR_MS, invoice_id="dated too early")


def _paid_without_an_id_first(load: Traffic, order: Order) -> None:
    _complete(load, order)
    for payment_id in (None, "first", "second"):
        _pay(load, order, payment_id)


def _sold_twice_under_one_number(load: Traffic, order: Order) -> None:
    _complete(load, order, hours_ago=1)
    _cancel(load, order)
    _complete(load, order)


STORIES: tuple[Story, ...] = (
    _paid_and_delivered,
    _delivered_in_parts,
    _left_unpaid,
    _partly_canceled,
    _told_backwards,
    _canceled,
    _bought_what_is_scarce,
    _bought_what_has_no_end,
    _paid_twice,
    _invoiced_before_the_count,
    _invoiced_before_it_was_sold,
    _paid_without_an_id_first,
    _sold_twice_under_one_number,
)


def _count_again(load: Traffic, account: str) -> None:
    """Count what is a moment old: some invoices are covered by it, others are not.

    Two clocks say the same second, and not the same number.
    """
    for sku in SKUS[:2]:
        for terms in ({}, {"limit": load.random.randint(-2, 2)}):
            load.tell(
                "inventory-updated",
                account=account,
                warehouse_id="main",
                sku=sku,
                on_hand=load.random.randint(50_000, 90_000),
                counted_at=instant(load.now_ms - 500),
                **terms,
            )
