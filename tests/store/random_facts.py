"""Random facts of few orders and few stocks: they meet, repeat and contradict each other."""

from collections.abc import Sequence
from random import Random

from reservation_worker.domain.facts import (
    BalanceCounted,
    Cause,
    DeadlineReached,
    Fact,
    LineUnits,
    OrderCanceled,
    OrderCompleted,
    OrderInvoiced,
    OrderLine,
    PaymentApproved,
    ReservationSettlementDue,
    RetentionReached,
    StockSettlementDue,
)

NOW_MS = 1_764_000_000_000
AFTERWARDS_MS = NOW_MS + 1_000_000
"""Later than every fact: when all of them are applied, and published."""
ACCOUNTS = ("acme", "o/ther%")
ORDER_IDS_AT_A_TIME = 3
STEPS_PER_ORDER_ID = 8
WAREHOUSES = ("main", "nörd/")
SKUS = ("a", "b")
LINE_IDS = ("1", "2", "ä")
DOCUMENT_IDS = ("d1", "d/2", "d%2F", "d4")


def random_fact(random: Random, step: int, offset: int) -> Fact:
    """Return any kind of fact; `offset` makes its record one of its own.

    With the steps go time and the orders that are spoken of.
    """
    kind = random.choices(range(9), weights=(22, 14, 24, 10, 8, 14, 2, 2, 6))[0]
    account = random.choice(ACCOUNTS)
    order_id = f"v/{step // STEPS_PER_ORDER_ID + random.randrange(ORDER_IDS_AT_A_TIME)}%"
    cause = Cause(
        "some-topic",
        random.randrange(6),
        offset,
        random.choice((None, "event-1")),
        random.choice((None, "00-trace-01")),
    )
    at_ms = NOW_MS + step + random.randrange(12)
    match kind:
        case 0:
            return OrderCompleted(
                account,
                order_id,
                at_ms,
                at_ms + 1_000 + random.randrange(3),
                _order_lines(random),
                cause,
            )
        case 1:
            payment_id = random.choice((None, "p1", "p/2"))
            reacquire = random.random() < 0.8
            return PaymentApproved(account, order_id, at_ms, payment_id, reacquire, cause)
        case 2:
            compared_at_ms = at_ms + random.choice((0, 0, 0, 5, 15))
            return OrderInvoiced(
                account, order_id, at_ms, compared_at_ms, *_document(random), cause
            )
        case 3:
            return OrderCanceled(account, order_id, at_ms, *_document(random), cause)
        case 4:
            return DeadlineReached(account, order_id, at_ms + 1_000 + random.randrange(3))
        case 5:
            return BalanceCounted(
                account,
                random.choice(WAREHOUSES),
                random.choice(SKUS),
                random.choice((0, 5, 10, 20, 40)),
                (at_ms - random.choice((0, 8, 40))) // 4 * 4,
                random.choice((None, None, None, -2, 0, 2)),
                random.choice((None, None, None, None, False, True)),
                cause,
            )
        case 6:
            return StockSettlementDue(account, random.choice(WAREHOUSES), random.choice(SKUS))
        case 7:
            return RetentionReached(account, order_id, random.randrange(6), at_ms)
        case _:
            return ReservationSettlementDue(
                account, random.choice(WAREHOUSES), random.choice(SKUS), order_id
            )


def random_facts(random: Random, step: int, count: int, seen: Sequence[Fact]) -> list[Fact]:
    """Return new facts, among them some that have been seen before."""
    facts: list[Fact] = []
    for position in range(count):
        known = [*seen[-30:], *facts]
        if known and random.random() < 0.15:
            facts.append(random.choice(known))
        else:
            facts.append(random_fact(random, step, 100 * step + position))
    return facts


def _order_lines(random: Random) -> tuple[OrderLine, ...]:
    line_ids = LINE_IDS[: random.choice((1, 2, 2, 3))]
    return tuple(
        OrderLine(
            line_id, random.choice(WAREHOUSES), random.choice(SKUS), random.choice((1, 2, 2, 3))
        )
        for line_id in line_ids
    )


def _document(random: Random) -> tuple[str | None, tuple[LineUnits, ...]]:
    """Return the id and the lines of an invoice or a cancellation."""
    if random.random() < 0.5:
        return random.choice((None, None, *DOCUMENT_IDS)), ()
    line_ids = random.sample((*LINE_IDS, "unknown"), random.choice((1, 1, 2)))
    lines = tuple(LineUnits(line_id, random.choice((1, 1, 2, 4))) for line_id in line_ids)
    return random.choice(DOCUMENT_IDS), lines
