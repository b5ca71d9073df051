"""What has been kept long enough leaves, is published as gone, and does not come back."""

from collections.abc import Mapping
from dataclasses import replace

from reservation_worker.adapters.in_memory.store import InMemoryStore
from reservation_worker.contracts.dead_letters import CODE_HEADER
from reservation_worker.contracts.inputs import FactKind
from reservation_worker.contracts.records import OutputTopic
from reservation_worker.deadlines import RetentionConfig
from tests.clocks import StandingClock
from tests.loops.assembly import Loops
from tests.loops.small_shop import STARTED_AT_MS, TURN_MS, SmallShop

OVER_MS, AWAITING_MS = 10_000, 20_000
TURNS = 20


def open_shop() -> SmallShop:
    """Return a shop that keeps nothing for long, with a denied order and a payment of none."""
    shop = SmallShop()
    shop.retention = RetentionConfig(OVER_MS, AWAITING_MS)
    shop.order("denied", "hats")
    shop.pay("ghost")
    return shop


def pass_time(shop: SmallShop, duration_ms: int, *workers: Loops) -> None:
    """Let time pass, and the workers do what it brings."""
    shop.clock.advance(duration_ms)
    for _ in range(TURNS):
        shop.turn(*workers)


def count_of(worker: Loops, name: str, labels: Mapping[str, str]) -> float | None:
    """Return the value of a metric."""
    return worker.metrics.registry.get_sample_value(f"reservation_{name}", dict(labels))


def test_each_kind_leaves_after_its_own_retention_and_is_counted() -> None:
    """Those whose order never came with a dead letter, in the same transaction."""
    shop = open_shop()
    worker = shop.start()
    shop.finish(worker)
    pass_time(shop, OVER_MS, worker)
    assert {"acme/denied": "Denied, removed", "acme/ghost": "Awaiting"} == shop.fates()
    assert [] == shop.broker.dead_letters
    commits_before = shop.broker.commits_total
    pass_time(shop, AWAITING_MS - OVER_MS, worker)
    assert "Awaiting, removed" == shop.fates()["acme/ghost"]
    (letter,) = shop.broker.dead_letters
    assert b"ORPHANED" == dict(letter.headers)[CODE_HEADER]
    assert 1 == shop.broker.commits_total - commits_before
    for kind in ("denied", "awaiting"):
        assert 1 == count_of(worker, "removed_total", {"kind": kind})
    orphaned = {"topic": FactKind.PAYMENT_APPROVED.value, "code": "ORPHANED"}
    assert 1 == count_of(worker, "dead_letters_total", orphaned)
    removed = {"fact": "retention_reached", "outcome": "changed"}
    assert 2 == count_of(worker, "facts_total", removed)


def test_what_has_left_does_not_come_back_with_a_rebuild() -> None:
    """The tombstones are read like everything else that is published."""
    shop = open_shop()
    shop.count("boots", 5)
    shop.order("held", "boots")
    worker = shop.start()
    shop.finish(worker)
    pass_time(shop, AWAITING_MS, worker)
    whole = shop.contents()
    shop.lose_everything()
    for _ in range(TURNS):
        shop.turn(worker)
    assert whole == shop.contents()
    assert {"acme/held"} == {
        one.id.key for shard in range(4) for one in shop.store.held(shard).reservations.values()
    }


def test_what_was_restored_leaves_after_its_retention_as_well() -> None:
    """The indexes are restored: else what is over would stay for ever."""
    shop = open_shop()
    worker = shop.start()
    shop.finish(worker)
    pass_time(shop, 0, worker)
    shop.lose_everything()
    for _ in range(TURNS):
        shop.turn(worker)
    pass_time(shop, AWAITING_MS, worker)
    assert {"acme/denied": "Denied, removed", "acme/ghost": "Awaiting, removed"} == shop.fates()


def test_an_order_that_comes_again_begins_anew() -> None:
    """Its versions begin at 1, and it is held if there is stock by now."""
    shop = open_shop()
    worker = shop.start()
    shop.finish(worker)
    pass_time(shop, OVER_MS, worker)
    shop.count("hats", 5)
    shop.finish(worker)
    shop.order("denied", "hats")
    shop.finish(worker)
    newest = shop.changes()["acme/denied"][-1]
    assert (1, "Authorized", None) == (
        *(newest["version"], newest["status"], newest["previous_status"]),
    )
    shop.check_order_of_publication()


def test_a_clock_that_is_set_forward_removes_nothing() -> None:
    """Neither the worker's nor the server's: the smaller of both counts."""
    for is_worker in (True, False):
        shop = open_shop()
        store_clock = StandingClock(STARTED_AT_MS)
        shop.store = InMemoryStore(store_clock)
        worker = shop.start()
        shop.finish(worker)
        (shop.clock if is_worker else store_clock).set_wall(STARTED_AT_MS + 10 * AWAITING_MS)
        for _ in range(TURNS):
            shop.turn(worker)
        assert {"acme/denied": "Denied", "acme/ghost": "Awaiting"} == shop.fates(), is_worker


def test_what_was_read_while_all_clocks_were_behind_does_not_leave_early() -> None:
    """The record knew better when it was, and may still be there to be read again."""
    shop = open_shop()
    written_at_ms = STARTED_AT_MS + 40 * 86_400_000
    for log in shop.broker.inputs.values():
        log[:] = [one and replace(one, timestamp_ms=written_at_ms) for one in log]
    worker = shop.start()
    shop.finish(worker)
    shop.clock.set_wall(written_at_ms)
    pass_time(shop, OVER_MS - 2 * TURNS * TURN_MS, worker)
    assert {"acme/denied": "Denied", "acme/ghost": "Awaiting"} == shop.fates()
    pass_time(shop, 2 * TURNS * TURN_MS, worker)
    assert {"acme/denied": "Denied, removed", "acme/ghost": "Awaiting"} == shop.fates()


def test_what_must_not_leave_stays_for_ever() -> None:
    """Removing can be turned off; Redis grows then."""
    shop = open_shop()
    shop.retention = None
    worker = shop.start()
    shop.finish(worker)
    pass_time(shop, 1_000 * AWAITING_MS, worker)
    assert {"acme/denied": "Denied", "acme/ghost": "Awaiting"} == shop.fates()


def test_deadlines_go_before_what_leaves() -> None:
    """However much has been kept long enough, it leaves in small steps behind them."""
    shop = SmallShop()
    shop.retention = RetentionConfig(OVER_MS, AWAITING_MS, facts_per_look_max=1)
    shop.count("boots", 5)
    for number in range(30):
        shop.order(f"denied-{number}", "hats")
    shop.order("short", "boots", ttl_seconds=OVER_MS // 1_000)
    worker = shop.start()
    shop.finish(worker)
    shop.turn(worker)
    shop.clock.advance(2 * OVER_MS)
    shop.turn_until(
        lambda: shop.fates()["acme/short"].startswith("Expired"), "the order expires", worker
    )
    still_there = [fate for fate in shop.fates().values() if fate == "Denied"]
    assert len(still_there) > 20
    shop.turn_until(
        lambda: "Denied" not in shop.fates().values(), "everything denied leaves", worker
    )
    tombstones = [one for one in shop.broker.outputs if one.value is None]
    assert {OutputTopic.RESERVATION_CHANGED} == {one.topic for one in tombstones}
