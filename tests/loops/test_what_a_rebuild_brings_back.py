"""A rebuild is begun whenever it must be, and leaves nothing out."""

from reservation_worker.adapters.in_memory.shard import SavedShards
from reservation_worker.domain.keys import shard_of
from tests.loops.assembly import Loops
from tests.loops.small_shop import SHARDS_TOTAL, SmallShop

SHARD = shard_of("acme", SHARDS_TOTAL)


def rebuilds(worker: Loops) -> float | None:
    """Return how many shards a worker has rebuilt."""
    return worker.metrics.registry.get_sample_value("reservation_shard_rebuilds_total")


def test_the_last_that_was_read_is_written_as_well() -> None:
    """What is read at once may take several writes, and the reading is over before them."""
    shop = SmallShop()
    worker = shop.start()
    for sku in ("boots", "gloves", "hats"):
        shop.count(sku, 5)
    for number in range(3):
        shop.order(f"A{number}", "boots")
    shop.finish(worker)
    whole = shop.contents()
    shop.lose_everything()
    shop.turn_until(lambda: rebuilds(worker) == 1, "the shard is rebuilt", worker)
    assert whole == shop.contents()


def test_a_shard_without_position_and_without_state_is_rebuilt_and_not_begun() -> None:
    """Both are gone, but what is published says that units are held."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 3)
    shop.order("A", "boots")
    shop.finish(worker)
    shop.bury()
    shop.lose_everything()
    shop.broker.positions.clear()
    successor = shop.start()
    shop.order("B", "boots")
    shop.finish(successor)
    assert {"acme/A": "Authorized", "acme/B": "Denied"} == shop.statuses()
    shop.check_order_of_publication()


def test_a_state_that_is_set_back_under_its_owner_is_found_before_anybody_writes() -> None:
    """The server is the same and the epoch as well: only the step lies behind the position."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 3)
    shop.finish(worker)
    server, older = shop.store.server, shop.store.saved()
    shop.order("A", "boots")
    shop.finish(worker)
    whole = shop.contents()
    shop.store.become(server, SavedShards(older.shards()))
    shop.turn_until(lambda: rebuilds(worker) == 1, "somebody has looked", worker)
    assert whole == shop.contents()
