"""Redis does not grow with the orders that were, only with those that are."""

from dataclasses import replace

import pytest
import redis
from prometheus_client import CollectorRegistry

from reservation_worker.contracts.records import OutputRecord
from reservation_worker.deadlines import (
    DeadlinesConfig,
    RetentionConfig,
    Schedule,
    ScheduleParts,
)
from reservation_worker.domain.facts import Fact
from reservation_worker.ports import ShardEpoch, ShardStep, Store
from reservation_worker.telemetry.metrics import Metrics
from tests.clocks import StandingClock
from tests.store.conftest import Bounds, redis_store
from tests.store.facts import canceled, counted, invoiced, ordered, paid
from tests.store.random_facts import NOW_MS
from tests.store.shard import EPOCH, SHARD, apply_all, claim

DAY_MS = 86_400_000
RETENTION_DAYS = 5
ORDERS_A_DAY = 100
"""Of each of five fates."""
GROWN_DAYS, MONTH_DAYS = 10, 40
GROWTH_MAX = 1.25
"""Of the bytes of the data: pages are not always equally full. Kept for ever, they double."""
TURNS_MAX = 100


class Shop:
    """A shard on a real server, on a clock that goes by days."""

    def __init__(self, client: redis.Redis, retention: RetentionConfig | None) -> None:
        self._client = client
        self._clock = StandingClock(NOW_MS)
        self.store: Store[OutputRecord] = redis_store(client, Bounds(), self._clock)
        self._schedule = Schedule(
            DeadlinesConfig(grace_ms=0),
            ScheduleParts(
                self.store,
                self._clock.now_ms,
                self._clock,
                Metrics(CollectorRegistry()),
                retention=retention,
            ),
        )
        claim(self.store)

    def live(self, day: int) -> None:
        """Sell, and let time do what it brings; everything ends, one way or another."""
        now_ms = self._clock.now_ms()
        facts: list[Fact] = [counted(1_000, at_ms=now_ms - 1)]
        for number in range(ORDERS_A_DAY):
            name = f"{day:03}-{number:03}"
            kept = replace(ordered(f"settled-{name}"), expires_at_ms=now_ms + 2 * DAY_MS)
            facts += (kept, paid(kept.order_id), invoiced(kept.order_id, at_ms=now_ms))
            facts += (ordered(f"canceled-{name}"), canceled(f"canceled-{name}"))
            facts.append(replace(ordered(f"expired-{name}"), expires_at_ms=now_ms + 1))
            facts += (ordered(f"denied-{name}", quantity=5_000), paid(f"awaiting-{name}"))
        apply_all(self.store, facts)
        self._clock.advance(DAY_MS)
        apply_all(self.store, [counted(1_000, at_ms=now_ms + 1)])
        self._keep_time()
        step = self.store.inspect(SHARD).step
        assert self.store.mark_published([ShardStep(SHARD, EPOCH, step)]) == (None,)

    def keys_and_bytes(self) -> tuple[int, int]:
        """Return how much the server holds."""
        return self._client.dbsize(), self._client.info("memory")["used_memory_dataset"]

    def _keep_time(self) -> None:
        shards = [ShardEpoch(SHARD, EPOCH)]
        for _ in range(TURNS_MAX):
            done = (self._schedule.run(shards), self._schedule.remove(shards))
            if not any(one.more for looked in done for one in looked.values()):
                return
        raise AssertionError("time has always more to do")


@pytest.mark.parametrize("is_removed", [True, False], ids=["removed", "kept for ever"])
def test_memory_is_flat_over_a_month(client: redis.Redis, is_removed: bool) -> None:  # noqa: FBT001
    """After the retention as many leave as come; without one they add up."""
    kept_ms = RETENTION_DAYS * DAY_MS
    shop = Shop(client, RetentionConfig(kept_ms, kept_ms) if is_removed else None)
    for day in range(GROWN_DAYS):
        shop.live(day)
    keys_then, bytes_then = shop.keys_and_bytes()
    for day in range(GROWN_DAYS, MONTH_DAYS):
        shop.live(day)
    keys_now, bytes_now = shop.keys_and_bytes()
    fates = 5
    if not is_removed:
        assert (MONTH_DAYS - GROWN_DAYS) * ORDERS_A_DAY * fates == keys_now - keys_then
        assert bytes_now > 2 * bytes_then
        return
    assert keys_then == keys_now
    assert keys_then > ORDERS_A_DAY * fates * (RETENTION_DAYS - 1), "something is kept"
    assert bytes_now < bytes_then * GROWTH_MAX
