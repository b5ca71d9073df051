"""Outages delay: membership is kept, memory is bounded, nothing is a dead letter."""

from dataclasses import replace

from reservation_worker.adapters.in_memory.broker import Fault
from reservation_worker.telemetry.labels import Dependency
from tests.loops.small_shop import SHARDS_TOTAL, SmallShop


def test_an_outage_of_the_store_delays_and_loses_nothing() -> None:
    """Reading pauses, polling goes on."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 50)
    shop.finish(worker)
    shop.store.set_available(available=False)
    for number in range(20):
        shop.order(f"A{number}", "boots")
    for _ in range(30):
        worker.apply.turn()
        worker.owner.turn()
        shop.clock.advance(50)
    assert [Dependency.REDIS] == [one for one in Dependency if not worker.dependencies.is_up(one)]
    # One poll before the outage shows, and one while the steps were under way.
    assert worker.apply.status.uncommitted_records <= 10
    shop.store.set_available(available=True)
    shop.finish(worker)
    assert set(shop.statuses().values()) == {"Authorized"}
    assert len(shop.statuses()) == 20
    assert not shop.broker.dead_letters


def test_counts_are_not_read_on_and_on_in_an_outage_of_the_store() -> None:
    """They come first, so nothing else is read by then; but they cannot be applied either."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 50)
    shop.finish(worker)
    shop.store.set_available(available=False)
    for number in range(40):
        shop.count(f"boots-{number}", 50)
    for _ in range(30):
        worker.apply.turn()
        worker.owner.turn()
        shop.clock.advance(50)
    assert worker.apply.status.uncommitted_records <= 10
    shop.store.set_available(available=True)
    shop.finish(worker)
    assert not shop.broker.dead_letters


def test_reading_pauses_at_the_limit_of_uncommitted_records() -> None:
    """Nobody publishes: without a limit the memory would hold the whole backlog."""
    shop = SmallShop()
    shop.apply_config = replace(shop.apply_config, uncommitted_records_max=20)
    worker = shop.start()
    shop.turn_until(
        lambda: worker.owner.status.owned_shards == SHARDS_TOTAL, "shards are owned", worker
    )
    for number in range(100):
        shop.order(f"A{number}", "boots")
    for _ in range(50):
        worker.apply.turn()
        shop.clock.advance(50)
    assert worker.apply.status.uncommitted_records <= 20 + 5
    shop.finish(worker)
    assert len(shop.statuses()) == 100


def test_a_drained_loop_has_committed_all_that_it_read() -> None:
    """After SIGTERM a successor begins where this one ended, and repeats nothing."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 50)
    for number in range(12):
        shop.order(f"A{number}", "boots")
    shop.turn(worker)
    worker.apply.drain()
    read = dict(shop.broker.committed)
    shop.turn_until(lambda: worker.apply.idle, "everything read is committed", worker)
    assert shop.broker.committed != read
    assert not shop.is_committed


def test_an_idle_group_commits_the_ends_of_partitions_that_it_never_read_from() -> None:
    """The payment frontier waits for every partition, and for control records at its end."""
    shop = SmallShop()
    shop.broker.append_control_record("payment-approved", 1)
    worker = shop.start()
    shop.finish(worker)
    assert shop.broker.committed["payment-approved", 1] == 1
    assert shop.broker.committed["payment-approved", 0] == 0


def test_two_workers_share_shards_and_partitions_and_disturb_each_other_by_nothing() -> None:
    """A rebalance takes partitions away in the middle of everything."""
    shop = SmallShop()
    first = shop.start()
    shop.count("boots", 50)
    for number in range(30):
        shop.order(f"A{number}", "boots", account=f"account-{number % 5}")
    for _ in range(3):
        shop.turn(first)
    second = shop.start()
    for number in range(30, 60):
        shop.order(f"A{number}", "boots", account=f"account-{number % 5}")
    shop.finish(first, second)
    assert len(shop.statuses()) == 60
    assert 0 < second.owner.status.owned_shards < SHARDS_TOTAL
    shop.check_order_of_publication()


def test_the_age_of_what_waits_to_be_published_grows_in_an_outage() -> None:
    """A number of steps says nothing of how long readers have missed them."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 50)
    shop.finish(worker)

    def age_seconds() -> float | None:
        return worker.metrics.registry.get_sample_value("reservation_outbox_oldest_seconds")

    shop.turn(worker)
    assert age_seconds() == 0
    shop.order("A", "boots")
    shop.broker.faults = [Fault.ABORTED] * 100
    for _ in range(40):
        shop.turn(worker)
    first = age_seconds()
    assert first
    shop.clock.advance(30_000)
    assert age_seconds() == first + 30
    shop.broker.faults = []
    shop.finish(worker)
    shop.turn(worker)
    assert age_seconds() == 0
