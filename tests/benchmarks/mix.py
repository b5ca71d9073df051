"""The seeded facts that the benchmarks send: a shop's realistic mix over the full domain."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

ACCOUNTS_TOTAL = 8
SKUS_PER_ACCOUNT = 1_250
"""8 accounts with 1,250 skus each: 10,000 stocks."""


@dataclass(frozen=True, slots=True)
class Message:
    """One input record: the topic's default name, and its value."""

    topic: str
    value: bytes


def balances(now: datetime) -> Iterator[Message]:
    """Count every stock once, with more units than the benchmark can sell."""
    for account in range(ACCOUNTS_TOTAL):
        for sku in range(SKUS_PER_ACCOUNT):
            yield _message(
                "inventory-updated",
                account=f"shop-{account}",
                warehouse_id="main",
                sku=f"sku-{sku}",
                on_hand=10_000_000,
                counted_at=_text(now - timedelta(days=1)),
            )


def orders(total: int, now: datetime, seed: int) -> Iterator[Message]:
    """Two-line orders, unpaid, with a deadline far away: they stay live."""
    random = Random(seed)
    for number in range(total):
        yield _order(random, number, now)


def day(orders_total: int, now: datetime, seed: int) -> Iterator[Message]:
    """Orders, their payments and invoices, interleaved as in a shop, with the rarer facts.

    Per 100 orders: 100 payments (2 of them before the order), 90 whole and 10 partial invoices,
    5 cancellations of units, 2 repeated facts and 1 balance.
    """
    random = Random(seed)
    waiting: list[Message] = []
    for number in range(orders_total):
        order = _order(random, number, now)
        payment = _of_order("payment-approved", number, approved_at=_text(now), payment_id="p")
        first, second = (payment, order) if random.random() < 0.02 else (order, payment)
        yield first
        waiting.append(second)
        waiting.append(_invoice(random, number, now))
        if random.random() < 0.05:
            line = [{"line_id": "2", "quantity": 1}]
            waiting.append(
                _of_order(
                    "order-canceled",
                    number,
                    canceled_at=_text(now),
                    cancellation_id="c",
                    lines=line,
                )
            )
        if random.random() < 0.02:
            waiting.append(first)
        if random.random() < 0.01:
            waiting.append(_recount(random, now))
        while len(waiting) > 500:
            yield waiting.pop(random.randrange(250))
    yield from waiting


def _order(random: Random, number: int, now: datetime) -> Message:
    first, second = random.sample(range(SKUS_PER_ACCOUNT), 2)
    return _of_order(
        "order-completed",
        number,
        completed_at=_text(now),
        reservation_expires_at=_text(now + timedelta(days=30)),
        lines=[
            {
                "line_id": line_id,
                "warehouse_id": "main",
                "sku": f"sku-{sku}",
                "quantity": random.randint(1, 3),
            }
            for line_id, sku in (("1", first), ("2", second))
        ],
    )


def _invoice(random: Random, number: int, now: datetime) -> Message:
    if random.random() < 0.1:
        line = [{"line_id": "1", "quantity": 1}]
        return _of_order(
            "order-invoiced", number, invoiced_at=_text(now), invoice_id="i", lines=line
        )
    return _of_order("order-invoiced", number, invoiced_at=_text(now), invoice_id="i")


def _recount(random: Random, now: datetime) -> Message:
    return _message(
        "inventory-updated",
        account=f"shop-{random.randrange(ACCOUNTS_TOTAL)}",
        warehouse_id="main",
        sku=f"sku-{random.randrange(SKUS_PER_ACCOUNT)}",
        on_hand=10_000_000,
        counted_at=_text(now + timedelta(milliseconds=random.randrange(60_000))),
    )


def _of_order(topic: str, number: int, **fields: object) -> Message:
    account = f"shop-{number % ACCOUNTS_TOTAL}"
    return _message(topic, account=account, order_id=f"v{number:08d}-01", **fields)


def _message(topic: str, **fields: object) -> Message:
    return Message(topic, json.dumps(fields, separators=(",", ":")).encode())


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds")
