"""Redis loses its last writes, or everything: noticed, and never decided upon."""

from dataclasses import replace

from structlog.testing import capture_logs

from reservation_worker.domain.keys import shard_of
from reservation_worker.ports import Waypoint
from tests.loops.assembly import Loops
from tests.loops.small_shop import SHARDS_TOTAL, SmallShop

SHARD = shard_of("acme", SHARDS_TOTAL)


def rebuilds(worker: Loops) -> float | None:
    """Return how many shards a worker has rebuilt."""
    return worker.metrics.registry.get_sample_value("reservation_shard_rebuilds_total")


def test_unpublished_steps_that_redis_lost_are_made_again() -> None:
    """Their input is not committed: a new epoch makes every reader read it again."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 5)
    shop.finish(worker)
    saved = shop.store.saved()
    shop.order("A", "boots")
    worker.apply.turn()
    shop.store.become("server-1/history-2/0", saved)
    shop.finish(worker)
    assert {"acme/A": "Authorized"} == shop.statuses()
    shop.check_order_of_publication()


def test_a_restarted_server_that_lost_nothing_is_verified_and_used_again() -> None:
    """Every shard is refused until its owner has looked, even one that nobody writes to."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 5)
    shop.finish(worker)
    shop.store.become("server-2/history-1/0")
    shop.order("A", "boots")
    shop.finish(worker)
    assert {"acme/A": "Authorized"} == shop.statuses()


def test_a_shard_whose_published_steps_are_gone_is_rebuilt_and_sells_nothing_twice() -> None:
    """Two of three units are held: after the loss of everything they still are."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 3)
    shop.order("A", "boots")
    shop.finish(worker)
    shop.lose_everything()
    shop.count("boots", 5, account="other")
    shop.order("A", "boots", account="other")
    shop.order("B", "boots")
    shop.finish(worker)
    assert {"acme/A": "Authorized", "acme/B": "Denied", "other/A": "Authorized"} == shop.statuses()
    assert {} == worker.owner.status.held_shards
    shop.check_order_of_publication()


def test_an_older_state_that_is_put_back_is_dropped_and_rebuilt() -> None:
    """What it still has of the shard is wrong, down to the last deadline."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 5)
    shop.order("A", "boots")
    shop.finish(worker)
    older = shop.store.saved()
    shop.pay("A")
    shop.finish(worker)
    whole = shop.contents()
    shop.store.become("server-2/history-2/0", older)
    shop.turn_until(lambda: shop.contents() == whole, "the shard is as it was", worker)


def test_other_shards_go_on_while_one_is_rebuilt() -> None:
    """A rebuild is done in pieces, between which everything else is."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 50)
    shop.count("boots", 5, account="other")
    for number in range(20):
        shop.order(f"{number}", "boots")
    shop.finish(worker)
    shop.tear("acme")
    shop.order("new", "boots")
    shop.turn_until(
        lambda: worker.owner.status.rebuilding_shards == 1, "the rebuild has begun", worker
    )
    shop.order("A", "boots", account="other")
    shop.turn_until(lambda: "other/A" in shop.statuses(), "the other shard publishes", worker)
    assert worker.owner.status.rebuilding_shards == 1
    assert "acme/new" not in shop.statuses()
    shop.finish(worker)
    assert worker.owner.status.rebuilding_shards == 0
    assert "Authorized" == shop.statuses()["acme/new"]


def test_a_shard_that_cannot_be_rebuilt_is_held_and_the_others_go_on() -> None:
    """It never goes on from a wrong state; when the topic is mended, it goes on by itself."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 5)
    shop.finish(worker)
    (published,) = shop.broker.outputs
    shop.broker.outputs[0] = replace(published, value=b"{}")
    shop.lose_everything()
    shop.count("boots", 5, account="other")
    shop.order("A", "boots", account="other")
    shop.order("B", "boots")
    shop.turn_until(
        lambda: shop.statuses() == {"other/A": "Authorized"}, "the other account goes on", worker
    )
    shop.turn_until(lambda: bool(worker.owner.status.held_shards), "the shard is held", worker)
    (reason,) = worker.owner.status.held_shards.values()
    assert "cannot be rebuilt" in reason
    assert not shop.is_committed
    shop.broker.outputs[0] = published
    shop.finish(worker)
    assert {"other/A": "Authorized", "acme/B": "Authorized"} == shop.statuses()
    assert {} == worker.owner.status.held_shards


def test_a_position_that_is_gone_is_found_again_far_beyond_what_is_published() -> None:
    """Records that compaction removed may have had later steps: no event id comes twice."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 5)
    shop.order("A", "boots")
    shop.finish(worker)
    shop.bury()
    shop.broker.positions.clear()
    successor = shop.start()
    shop.order("B", "boots")
    shop.finish(successor)
    assert {"acme/A": "Authorized", "acme/B": "Authorized"} == shop.statuses()
    shop.check_order_of_publication()
    steps = [int(str(body["event_id"]).split("-")[1]) for body in shop.changes()["acme/B"]]
    assert min(steps) > 1_000_000


def test_a_rebuilt_shard_goes_on_behind_its_position_although_its_newest_records_are_gone() -> None:
    """Compaction takes tombstones away, and with them the numbers of the last steps."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 5)
    shop.finish(worker)
    compacted_up_to = len(shop.broker.outputs)
    for order in "ABC":
        shop.order(order, "boots")
        shop.finish(worker)
    published = shop.store.inspect(SHARD).step
    del shop.broker.outputs[compacted_up_to:], shop.broker.written_at_ms[compacted_up_to:]
    shop.lose_everything()
    shop.order("D", "boots")
    shop.finish(worker)
    steps = [int(str(body["event_id"]).split("-")[1]) for body in shop.changes()["acme/D"]]
    assert min(steps) > published


def test_a_rebuild_that_found_the_position_again_is_the_last_one() -> None:
    """It is committed before anything else is published."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 5)
    shop.finish(worker)
    shop.bury()
    shop.broker.positions.clear()
    second = shop.start()
    shop.turn_until(lambda: rebuilds(second) == 1, "the shard is rebuilt", second)
    shop.bury()
    third = shop.start()
    shop.order("A", "boots")
    shop.finish(third)
    assert {"acme/A": "Authorized"} == shop.statuses()
    assert rebuilds(third) == 0


def test_what_a_former_owner_gets_through_before_the_mint_is_restored() -> None:
    """Only after it is nothing more to come: ends that were asked for earlier are too early."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 3)
    shop.finish(worker)
    published = len(shop.broker.outputs)
    shop.order("A", "boots")
    shop.finish(worker)
    late = shop.broker.outputs[published:]
    del shop.broker.outputs[published:]
    shop.bury()

    def commit_late(waypoint: Waypoint) -> None:
        if waypoint is Waypoint.TAKEOVER_POSITION_READ:
            shop.broker.outputs += late
            late.clear()

    shop.lose_everything()
    successor = shop.start(commit_late)
    shop.order("B", "boots")
    shop.finish(successor)
    assert {"acme/A": "Authorized", "acme/B": "Denied"} == shop.statuses()
    shop.check_order_of_publication()


def test_a_torn_step_is_found_and_the_shard_rebuilt() -> None:
    """Half of its writes are in effect, and nobody knows which."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 5)
    shop.finish(worker)
    shop.tear("acme")
    shop.order("A", "boots")
    shop.finish(worker)
    assert {"acme/A": "Authorized"} == shop.statuses()
    shop.check_order_of_publication()


def test_a_gap_in_the_outbox_is_found_and_the_shard_rebuilt() -> None:
    """Going on behind it would lose changes; what was not published is made again."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 5)
    shop.finish(worker)
    shop.order("A", "boots")
    worker.apply.turn()
    worker.apply.turn()
    shop.lose_outbox("acme")
    shop.finish(worker)
    assert {"acme/A": "Authorized"} == shop.statuses()
    assert rebuilds(worker) == 1
    shop.check_order_of_publication()


def test_a_rebuild_is_counted_and_said() -> None:
    """Whoever watches the worker must be able to see that it happened."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 5)
    shop.finish(worker)
    shop.lose_everything()
    with capture_logs() as lines:
        shop.order("A", "boots")
        shop.finish(worker)
    assert ["shard_rebuild_began", "shard_rebuilt"] == [
        line["event"] for line in lines if "rebuil" in line["event"]
    ]
    registry = worker.metrics.registry
    assert rebuilds(worker) == 1
    assert registry.get_sample_value("reservation_rebuilding_shards") == 0
    assert registry.get_sample_value("reservation_rebuild_records_left") == 0


def test_a_server_that_has_thrown_keys_away_is_rebuilt() -> None:
    """Nobody can tell whose they were."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 3)
    shop.order("A", "boots")
    shop.finish(worker)
    shop.store.become("server-1/history-1/7")
    with capture_logs() as lines:
        shop.order("B", "boots")
        shop.finish(worker)
    assert {"acme/A": "Authorized", "acme/B": "Denied"} == shop.statuses()
    assert any("thrown keys away" in line.get("reason", "") for line in lines)


def test_a_server_that_is_ahead_in_an_epoch_that_others_have_served_since_is_rebuilt() -> None:
    """A split network: it went on by itself, with more steps than the true one has published."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 5)
    shop.finish(worker)
    behind = shop.store.saved()
    for order in "ABCD":
        shop.order(order, "boots")
        for _ in range(3):
            worker.apply.turn()
    ahead = shop.store.saved()
    shop.store.become("server-2/history-1/0", behind)
    shop.finish(worker)
    shop.count("boots", 6, at="00:01")
    shop.finish(worker)
    steps = shop.store.inspect(SHARD).step
    shop.store.become("server-1/history-1/0", ahead)
    assert shop.store.inspect(SHARD).step >= steps, "its steps alone tell nothing"
    with capture_logs() as lines:
        shop.order("E", "boots")
        shop.finish(worker)
    assert rebuilds(worker) == 1
    assert any("has published" in line.get("reason", "") for line in lines)
    shop.check_order_of_publication()
    whole = shop.store.held(SHARD).stocks.values()
    assert [(6, 6)] == [(one.on_hand, one.authorized) for one in whole]


def test_an_epoch_is_minted_above_the_one_that_redis_has() -> None:
    """Its writer's clock was ahead, and its position is gone: below it nothing could be written."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 5)
    shop.finish(worker)
    held = shop.store.held(SHARD)
    held.epoch += 10**9
    shop.store.put(held)
    shop.bury()
    shop.broker.positions.clear()
    successor = shop.start()
    shop.order("A", "boots")
    shop.finish(successor)
    assert {"acme/A": "Authorized"} == shop.statuses()
    assert shop.store.inspect(SHARD).epoch > held.epoch


def test_what_an_unverified_server_says_is_published_commits_nothing() -> None:
    """It may be a replica of another history; only what its owner has verified is believed."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 5)
    shop.finish(worker)
    committed = dict(shop.broker.committed)
    shop.order("A", "boots")
    for _ in range(3):
        worker.apply.turn()
    held = shop.store.held(SHARD)
    assert held.step > held.published
    held.published = held.step
    shop.store.put(held)
    shop.store.become("server-2/history-1/0")
    for _ in range(20):
        worker.apply.turn()
        shop.clock.advance(1_000)
    assert committed == shop.broker.committed
