"""A batch of more facts than one step takes."""

from reservation_worker.adapters.in_memory.shard import InMemoryStoreConfig
from reservation_worker.adapters.in_memory.store import InMemoryStore
from reservation_worker.deadlines import RetentionConfig
from tests.loops.small_shop import TURN_MS, SmallShop

RETENTION_MS = 30_000
ORDERS = ("order-completed", 0)


def test_a_batch_is_not_committed_while_some_of_its_facts_are_in_no_step() -> None:
    """Five records are read, three are in effect and published: a crash now must lose none."""
    shop = SmallShop()
    shop.store = InMemoryStore(shop.clock, InMemoryStoreConfig(outbox_steps_max=1))
    worker = shop.start()
    shop.finish(worker)
    for number in range(5):
        shop.order(f"A{number}", "boots")
    for _ in range(3):
        worker.apply.turn()
        shop.clock.advance(shop.apply_config.commit_interval_ms)
    for _ in range(2):
        worker.owner.turn()
        shop.clock.advance(TURN_MS)
    assert 3 == len(shop.changes())
    worker.apply.turn()
    assert 0 == shop.broker.committed[ORDERS]
    shop.finish(worker)
    assert 5 == len(shop.changes()) == shop.broker.committed[ORDERS]


def test_facts_in_hand_leave_with_their_partition() -> None:
    """They were applied, are over and removed when a worker that slept for days wakes up."""
    shop = SmallShop()
    shop.retention = RetentionConfig(RETENTION_MS, RETENTION_MS)
    sleeper = shop.start()
    shop.finish(sleeper)
    for number in range(5):
        shop.order(f"A{number}", "hats")
    shop.store.set_available(available=False)
    sleeper.apply.turn()
    shop.store.set_available(available=True)
    shop.bury()
    other = shop.start()
    shop.finish(other)
    shop.clock.advance(RETENTION_MS)
    gone = {f"acme/A{number}": "Denied, removed" for number in range(5)}
    shop.turn_until(lambda: gone == shop.fates(), "all reservations leave", other)
    for _ in range(5):
        shop.turn(sleeper)
    assert gone == shop.fates()
    shop.bury()
    shop.order("B", "hats")
    shop.finish(sleeper)
    assert "Denied" == shop.statuses()["acme/B"]
