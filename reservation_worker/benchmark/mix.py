"""The seeded facts that the benchmarks send: a shop's realistic mix over the full domain."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

STOCKS_TOTAL = 10_000
EARLY_PAYMENTS = 0.02
"""The share of orders whose payment comes first."""
CANCELLATIONS = 0.05
REPEATS = 0.02
COUNTS = 0.01
PARTIAL_INVOICES = 0.1
FACTS_BETWEEN = 500
"""So many facts wait behind an order's first; each next one is of the older half."""

LIVE = timedelta(days=30)
"""A deadline that no benchmark reaches."""


@dataclass(frozen=True, slots=True)
class Shops:
    """The accounts that share the stocks, and what tells one run's orders from another's."""

    accounts_total: int
    run: str
    name: str = field(default="shop", kw_only=True)
    """What the names of the accounts begin with."""

    @property
    def skus(self) -> int:
        """How many each account has."""
        return STOCKS_TOTAL // self.accounts_total

    def account(self, number: int) -> str:
        """Return the account of an order, or of a shop."""
        return f"{self.name}-{number % self.accounts_total}"


@dataclass(frozen=True, slots=True)
class Message:
    """One input record: the topic's default name, and its value."""

    topic: str
    value: bytes


def balances(shops: Shops, now: datetime) -> Iterator[Message]:
    """Count every stock once, with more units than the benchmark can sell."""
    for account in range(shops.accounts_total):
        for sku in range(shops.skus):
            yield _message(
                "inventory-updated",
                account=shops.account(account),
                warehouse_id="main",
                sku=f"sku-{sku}",
                on_hand=10_000_000,
                counted_at=_text(now - timedelta(days=1)),
            )


def orders(shops: Shops, total: int, now: datetime, seed: int) -> Iterator[Message]:
    """Two-line orders, unpaid, with a deadline far away: they stay live."""
    random = Random(seed)
    for number in range(total):
        yield _order(shops, random, number, now)


def due_orders(
    shops: Shops, total: int, now: datetime, due_at: datetime, seed: int
) -> Iterator[Message]:
    """Two-line orders, unpaid, that all have one deadline."""
    random = Random(seed)
    for number in range(total):
        yield _order(shops, random, number, now, due_at)


def hot_stock(shops: Shops, units: int, now: datetime) -> Message:
    """Count the one stock that all `hot_orders` want."""
    return _message(
        "inventory-updated",
        account=shops.account(0),
        warehouse_id="main",
        sku=hot_sku(shops),
        on_hand=units,
        counted_at=_text(now - timedelta(days=1)),
    )


def hot_orders(shops: Shops, total: int, now: datetime) -> Iterator[Message]:
    """Orders of one unit each, all of one stock of one account."""
    for number in range(total):
        yield _of_order(
            shops,
            "order-completed",
            number,
            completed_at=_text(now),
            reservation_expires_at=_text(now + LIVE),
            lines=[_line(1, hot_sku(shops), 1)],
        )


def large_orders(
    shops: Shops, total: int, lines: int, now: datetime, seed: int
) -> Iterator[Message]:
    """Unpaid orders of many lines."""
    random = Random(seed)
    for number in range(total):
        yield _of_order(
            shops,
            "order-completed",
            number,
            completed_at=_text(now),
            reservation_expires_at=_text(now + LIVE),
            lines=[
                _line(line, f"sku-{sku}", random.randint(1, 3))
                for line, sku in enumerate(random.sample(range(shops.skus), lines), start=1)
            ],
        )


def day(shops: Shops, orders_total: int, now: datetime, seed: int) -> Iterator[Message]:
    """Orders, their payments and invoices, interleaved as in a shop, with the rarer facts.

    Per 100 orders: 100 payments (2 of them before the order), 90 whole and 10 partial invoices,
    5 cancellations of units, 2 repeated facts and 1 balance.
    """
    random = Random(seed)
    waiting: list[Message] = []
    for number in range(orders_total):
        order = _order(shops, random, number, now)
        payment = _of_order(
            shops, "payment-approved", number, approved_at=_text(now), payment_id="p"
        )
        first, second = (payment, order) if random.random() < EARLY_PAYMENTS else (order, payment)
        yield first
        waiting.append(second)
        waiting.append(_invoice(shops, random, number, now))
        if random.random() < CANCELLATIONS:
            line = [{"line_id": "2", "quantity": 1}]
            waiting.append(
                _of_order(
                    shops,
                    "order-canceled",
                    number,
                    canceled_at=_text(now),
                    cancellation_id="c",
                    lines=line,
                )
            )
        if random.random() < REPEATS:
            waiting.append(first)
        if random.random() < COUNTS:
            waiting.append(_recount(shops, random, now))
        while len(waiting) > FACTS_BETWEEN:
            yield waiting.pop(random.randrange(FACTS_BETWEEN // 2))
    yield from waiting


def _order(
    shops: Shops, random: Random, number: int, now: datetime, due_at: datetime | None = None
) -> Message:
    first, second = random.sample(range(shops.skus), 2)
    return _of_order(
        shops,
        "order-completed",
        number,
        completed_at=_text(now),
        reservation_expires_at=_text(due_at or now + LIVE),
        lines=[
            _line(line, f"sku-{sku}", random.randint(1, 3))
            for line, sku in ((1, first), (2, second))
        ],
    )


def _line(number: int, sku: str, quantity: int) -> dict[str, str | int]:
    return {
        "line_id": str(number),
        "warehouse_id": "main",
        "sku": sku,
        "quantity": quantity,
    }


def hot_sku(shops: Shops) -> str:
    """Return the sku that all hot orders of a run want."""
    return f"hot-{shops.run}"


def _invoice(shops: Shops, random: Random, number: int, now: datetime) -> Message:
    if random.random() < PARTIAL_INVOICES:
        line = [{"line_id": "1", "quantity": 1}]
        return _of_order(
            shops, "order-invoiced", number, invoiced_at=_text(now), invoice_id="i", lines=line
        )
    return _of_order(shops, "order-invoiced", number, invoiced_at=_text(now), invoice_id="i")


def _recount(shops: Shops, random: Random, now: datetime) -> Message:
    return _message(
        "inventory-updated",
        account=shops.account(random.randrange(shops.accounts_total)),
        warehouse_id="main",
        sku=f"sku-{random.randrange(shops.skus)}",
        on_hand=10_000_000,
        counted_at=_text(now + timedelta(milliseconds=random.randrange(60_000))),
    )


def _of_order(shops: Shops, topic: str, number: int, **fields: object) -> Message:
    return _message(
        topic,
        account=shops.account(number),
        order_id=f"v{number:08d}-{shops.run}",
        **fields,
    )


def _message(topic: str, **fields: object) -> Message:
    return Message(topic, json.dumps(fields, separators=(",", ":")).encode())


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds")
