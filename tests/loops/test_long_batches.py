"""A batch of more facts than one step takes."""

from reservation_worker.adapters.in_memory.shard import InMemoryStoreConfig
from reservation_worker.adapters.in_memory.store import InMemoryStore
from tests.loops.small_shop import TURN_MS, SmallShop

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
