"""What time has left to do is done a little at a time, however many shards have some of it."""

import itertools
from collections.abc import Callable

import pytest

from reservation_worker.deadlines import DeadlinesConfig, RetentionConfig
from reservation_worker.domain.keys import shard_of
from tests.loops.small_shop import SHARDS_TOTAL, SmallShop

ACCOUNTS = [
    next(f"shop{number}" for number in range(100) if shard_of(f"shop{number}", SHARDS_TOTAL) == one)
    for one in range(SHARDS_TOTAL)
]
"""One of each shard."""
ORDERS_EACH = 12
KEPT_MS = 10_000
TTL_SECONDS = 5


def shares(shop: SmallShop, fate: str) -> list[dict[str, int]]:
    """Turn a worker to its end; return what came to each account's orders in each turn."""
    worker = shop.start()
    shop.finish(worker)
    shop.turn(worker)
    shop.clock.advance(2 * KEPT_MS)
    seen: list[dict[str, int]] = []

    def counted() -> dict[str, int]:
        ended = [order for order, one in shop.fates().items() if one.startswith(fate)]
        return {
            account: sum(order.startswith(f"{account}/") for order in ended) for account in ACCOUNTS
        }

    def all_of_it() -> bool:
        seen.append(counted())
        return sum(seen[-1].values()) == ORDERS_EACH * SHARDS_TOTAL

    shop.turn_until(all_of_it, f"everything is {fate}", worker)
    return [
        {account: after[account] - before[account] for account in ACCOUNTS}
        for before, after in itertools.pairwise(seen)
    ]


def expiring(facts_per_look_max: int) -> list[dict[str, int]]:
    """Let all orders expire at one moment."""
    shop = SmallShop()
    shop.deadlines = DeadlinesConfig(grace_ms=0, facts_per_look_max=facts_per_look_max)
    for account in ACCOUNTS:
        shop.count("boots", 1_000, account=account)
        for number in range(ORDERS_EACH):
            shop.order(f"order-{number}", "boots", account=account, ttl_seconds=TTL_SECONDS)
    return shares(shop, "Expired")


def leaving(facts_per_look_max: int) -> list[dict[str, int]]:
    """Let all orders have been kept long enough at one moment."""
    shop = SmallShop()
    shop.retention = RetentionConfig(KEPT_MS, KEPT_MS, facts_per_look_max)
    for account in ACCOUNTS:
        for number in range(ORDERS_EACH):
            shop.order(f"order-{number}", "hats", account=account)
    return shares(shop, "Denied, removed")


@pytest.mark.parametrize("make", [expiring, leaving])
def test_one_look_is_shared_out_among_the_shards(
    make: Callable[[int], list[dict[str, int]]],
) -> None:
    """A million at one moment in sixteen shards must not hold up what else happens."""
    for turn in make(2 * SHARDS_TOTAL):
        assert sum(turn.values()) <= 2 * SHARDS_TOTAL
        assert max(turn.values()) <= 2


@pytest.mark.parametrize("make", [expiring, leaving])
def test_each_shard_gets_on_however_little_a_look_may_do(
    make: Callable[[int], list[dict[str, int]]],
) -> None:
    """At least one in each that has something to do."""
    turns = [turn for turn in make(1) if any(turn.values())]
    assert all(1 == units for turn in turns for units in turn.values())
    assert ORDERS_EACH == len(turns)
