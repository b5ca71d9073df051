"""Redis loses its last writes, or everything: noticed, and never decided upon."""

from reservation_worker.adapters.in_memory.shard import SavedShards
from reservation_worker.contracts.records import OutputTopic
from tests.loops.small_shop import SmallShop


def test_unpublished_steps_that_redis_lost_are_made_again() -> None:
    """Their input is not committed: a new epoch makes every reader read it again."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 5)
    shop.finish(worker)
    saved = shop.store.saved()
    shop.order("A", "boots")
    worker.apply.turn()
    shop.store.become("server-1/history-2", saved)
    shop.finish(worker)
    assert {"acme/A": "Authorized"} == shop.statuses()
    shop.check_order_of_publication()


def test_a_restarted_server_that_lost_nothing_is_verified_and_used_again() -> None:
    """Every shard is refused until its owner has looked, even one that nobody writes to."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 5)
    shop.finish(worker)
    shop.store.become("server-2/history-1")
    shop.order("A", "boots")
    shop.finish(worker)
    assert {"acme/A": "Authorized"} == shop.statuses()


def test_a_shard_whose_published_steps_are_gone_stops_and_the_others_go_on() -> None:
    """Going on would sell units twice; the other shards have lost nothing."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 5)
    shop.finish(worker)
    shop.store.become("server-2/history-2", SavedShards({}))
    shop.count("boots", 5, account="other")
    shop.order("A", "boots", account="other")
    shop.order("B", "boots")
    shop.turn_until(
        lambda: shop.statuses() == {"other/A": "Authorized"}, "the other account goes on", worker
    )
    shop.turn_until(lambda: bool(worker.owner.status.held_shards), "the shard is held", worker)
    (reason,) = worker.owner.status.held_shards.values()
    assert "must be rebuilt" in reason
    assert not shop.is_committed


def test_a_held_shard_is_taken_over_when_its_state_is_back() -> None:
    """An operator who brings the right file back must not have to restart anything."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 5)
    shop.finish(worker)
    saved = shop.store.saved()
    shop.store.become("server-2/history-2", SavedShards({}))
    shop.order("A", "boots")
    shop.turn_until(lambda: bool(worker.owner.status.held_shards), "the shard is held", worker)
    shop.store.become("server-3/history-3", saved)
    shop.finish(worker)
    assert {"acme/A": "Authorized"} == shop.statuses()
    assert {} == worker.owner.status.held_shards


def test_a_position_that_is_gone_stops_the_shard_even_if_redis_is_whole() -> None:
    """Without it nobody can tell which steps are published, also not at the second look."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 5)
    shop.finish(worker)
    shop.bury()
    shop.broker.positions.clear()
    successor = shop.start()
    for _ in range(300):
        shop.turn(successor)
        assert len(shop.bodies(OutputTopic.STOCK_CHANGED)) == 1
    assert len(successor.owner.status.held_shards) == 1


def test_a_torn_step_stops_the_shard() -> None:
    """Half of its writes are in effect, and nobody knows which."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 5)
    shop.finish(worker)
    for shard, position in shop.broker.positions.items():
        if position.step:
            shop.store.tear(shard)
    shop.order("A", "boots")
    shop.turn_until(lambda: bool(worker.owner.status.held_shards), "the shard is held", worker)
    assert {} == shop.statuses()
