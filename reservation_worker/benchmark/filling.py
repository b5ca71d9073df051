"""Very many live reservations, made by the worker."""

import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from redis import Redis

from reservation_worker.benchmark import mix
from reservation_worker.benchmark.committed import wait_until_committed
from reservation_worker.benchmark.loads import now
from reservation_worker.benchmark.mix import Message, Shops
from reservation_worker.benchmark.place import Place
from reservation_worker.benchmark.plan import Plan
from reservation_worker.benchmark.stage import Stage, send
from reservation_worker.benchmark.throughput import count_stocks
from reservation_worker.benchmark.workers import workers

UNPAID = timedelta(hours=1)
"""From an order to its deadline."""
TRIM_SECONDS = 2.0
"""By then the owner has trimmed the outbox behind what it published last."""


def fill(found: Stage, plan: Plan, live: int) -> float:
    """Make so many live reservations of two lines; return the bytes of Redis for each."""
    redis = Redis.from_url(found.valkey.url)
    shops = Shops(plan.accounts, "live", name=found.shops)
    count_stocks(found, mix.balances(shops, now()))
    before = used_bytes(redis)
    fill_with(found, mix.orders(shops, live, now(), plan.seed))
    after = used_bytes(redis)
    redis.close()
    return (after - before) / live


def fill_until_due(found: Place, plan: Plan, due_at: datetime, grace_seconds: int) -> None:
    """Make reservations that all have one deadline, which a long grace holds back."""
    shops = Shops(plan.accounts, "due", name=found.shops)
    count_stocks(found, mix.balances(shops, now()))
    orders = mix.due_orders(shops, plan.deadlines, due_at - UNPAID, due_at, plan.seed)
    fill_with(found, orders, {"RESERVATION_EXPIRY__GRACE_SECONDS": str(grace_seconds)})


def fill_with(
    found: Place, orders: Iterable[Message], variables: Mapping[str, str] | None = None
) -> None:
    """Let a worker apply orders, and wait until all that they caused is published."""
    with workers(found, variables=variables):
        send(found, orders)
        wait_until_committed(found)
        time.sleep(TRIM_SECONDS)


def used_bytes(redis: Redis) -> int:
    """Return the memory that a Redis uses for everything."""
    return int(redis.info("memory")["used_memory"])
