"""What of published steps a shop's people watch: shortfalls, refunds, events above their bound."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from reservation_worker.telemetry.log_events import EVENT_OVERSIZED
from tests.loops.assembly import Loops
from tests.loops.small_shop import SHARDS_TOTAL, SmallShop


def count_of(worker: Loops, name: str, **labels: str) -> float | None:
    """Return the value of a metric."""
    return worker.metrics.registry.get_sample_value(f"reservation_{name}_total", labels)


def test_each_stock_that_becomes_short_is_counted_once() -> None:
    """Two orders will go without: a page that shows only the last count hides it."""
    shop = SmallShop()
    worker = shop.start()
    for sku in ("boots", "hat"):
        shop.count(sku, 10)
        shop.order(f"of {sku}", sku)
    shop.finish(worker)
    assert count_of(worker, "shortfalls") == 0
    for at, on_hand in (("00:01", 1), ("00:02", 0), ("00:03", 9)):
        shop.count("boots", on_hand, at=at)
        shop.clock.advance(120_000)
    shop.count("hat", 1, at="00:03")
    shop.finish(worker)
    assert count_of(worker, "shortfalls") == 2


def test_stocks_that_become_short_in_one_step_are_counted_each() -> None:
    """A stocktaking sends many balances at once."""
    shop = SmallShop()
    worker = shop.start()
    for sku in ("boots", "hat", "coat"):
        shop.count(sku, 10)
        shop.order(f"of {sku}", sku)
    shop.finish(worker)
    steps = sum(shop.store.held(shard).step for shard in range(SHARDS_TOTAL))
    for sku in ("boots", "hat", "coat"):
        shop.count(sku, 0, at="00:01")
    shop.clock.advance(120_000)
    shop.finish(worker)
    assert steps + 1 == sum(shop.store.held(shard).step for shard in range(SHARDS_TOTAL))
    assert count_of(worker, "shortfalls") == 3


@pytest.mark.parametrize("is_small", [False, True])
def test_an_event_above_its_bound_is_published_counted_and_said(*, is_small: bool) -> None:
    """Only time's own can be; whoever made the bound smaller learns what it does not bound."""
    shop = SmallShop()
    if is_small:
        shop.publish = replace(shop.publish, event_bytes_max=450)
    worker = shop.start()
    shop.count("boots", 10)
    shop.order("A", "boots")
    with capture_logs() as lines:
        shop.finish(worker)
    assert shop.statuses() == {"acme/A": "Authorized"}
    said = [line for line in lines if line["event"] == EVENT_OVERSIZED]
    expected = [("reservation-changed", 450)] if is_small else []
    assert expected == [(line["topic"], line["event_bytes_max"]) for line in said]
    told = count_of(worker, "events_oversized", topic="reservation-changed")
    assert told == len(expected)
