"""What a new owner takes from the position in Kafka, and what from Redis."""

from dataclasses import replace

from reservation_worker.contracts.records import step_of
from reservation_worker.deadlines import RetentionConfig
from reservation_worker.domain.keys import shard_of
from tests.loops.assembly import Loops
from tests.loops.small_shop import SHARDS_TOTAL, SmallShop

SHARD = shard_of("acme", SHARDS_TOTAL)
A_DAY_MS = 86_400_000
RETENTION_MS = 30_000
STEPS_SKIPPED = 1_000_000
"""In numbers, not by the code's own name: 0 would equal itself."""


def rebuilds(worker: Loops) -> float | None:
    """Return how many shards a worker has rebuilt."""
    return worker.metrics.registry.get_sample_value("reservation_shard_rebuilds_total")


def published_steps(shop: SmallShop) -> list[int]:
    """Return the step of each record that is published of the account's shard, in order."""
    return [
        step_of(dict(record.headers)) for record in shop.broker.outputs if record.partition == SHARD
    ]


def compact(shop: SmallShop, key: bytes) -> None:
    """Take all records of a key away, as the broker does some time behind a tombstone."""
    broker = shop.broker
    kept = [at for at, record in enumerate(broker.outputs) if record.key != key]
    broker.outputs[:] = [broker.outputs[at] for at in kept]
    broker.written_at_ms[:] = [broker.written_at_ms[at] for at in kept]


def apply_alone(worker: Loops) -> None:
    """Let a worker read and apply what there is; nobody publishes it."""
    for _ in range(2):
        worker.apply.turn()


def test_an_owner_whose_clock_is_behind_mints_above_the_epoch_that_redis_has() -> None:
    """The position may be gone: below that epoch Redis would refuse it for ever."""
    shop = SmallShop()
    worker = shop.start()
    shop.turn_until(
        lambda: worker.owner.status.owned_shards == SHARDS_TOTAL, "shards are owned", worker
    )
    before = shop.store.inspect(SHARD).epoch
    shop.bury()
    shop.broker.positions.clear()
    shop.clock.set_wall(shop.clock.now_ms() - A_DAY_MS)
    successor = shop.start()
    shop.turn_until(
        lambda: successor.owner.status.owned_shards == SHARDS_TOTAL, "all over again", successor
    )
    assert before < shop.store.inspect(SHARD).epoch
    shop.count("boots", 5)
    shop.finish(successor)


def test_a_state_from_before_the_epoch_that_has_published_is_rebuilt() -> None:
    """It has as many steps as are published, but they are others: made, lost, and made anew."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 5)
    shop.finish(worker)
    early = shop.store.saved()
    for order_id in ("A", "B"):
        shop.order(order_id, "boots")
        apply_alone(worker)
    never_published = shop.store.saved()
    shop.store.become("server-2/history-2", early)
    shop.finish(worker)
    assert {"acme/A": "Authorized", "acme/B": "Authorized"} == shop.statuses()
    assert shop.broker.positions[SHARD].step < never_published.shards()[SHARD].step
    shop.store.become("server-3/history-1", never_published)
    shop.order("C", "boots")
    shop.finish(worker)
    assert 1 == rebuilds(worker)
    shop.check_order_of_publication()
    assert {"acme/A": "Authorized", "acme/B": "Authorized", "acme/C": "Denied"} == shop.statuses()


def test_an_owner_that_has_published_says_so_in_the_position() -> None:
    """A mint alone leaves the served epoch as it was: nothing has been published in the new one."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 5)
    shop.finish(worker)
    first = shop.broker.positions[SHARD]
    assert first.minted == first.served
    shop.bury()
    successor = shop.start()
    shop.turn_until(
        lambda: successor.owner.status.owned_shards == SHARDS_TOTAL, "shards are owned", successor
    )
    second = shop.broker.positions[SHARD]
    assert first.minted < second.minted
    assert (first.served, first.step) == (second.served, second.step)


def test_without_a_position_a_million_steps_are_skipped() -> None:
    """So many tombstones may have had later steps, and be gone without a trace."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 5)
    shop.finish(worker)
    highest = max(published_steps(shop))
    shop.bury()
    shop.broker.positions.clear()
    successor = shop.start()
    shop.order("A", "boots")
    shop.finish(successor)
    assert highest + STEPS_SKIPPED + 1 == published_steps(shop)[-1]


def test_a_rebuild_goes_on_behind_the_position_when_the_newest_records_are_gone() -> None:
    """A tombstone leaves its topic, and with it the number of its step: it must not come again."""
    shop = SmallShop()
    shop.retention = RetentionConfig(RETENTION_MS, RETENTION_MS)
    worker = shop.start()
    shop.count("boots", 5)
    shop.order("refused", "hats")
    shop.finish(worker)
    shop.clock.advance(RETENTION_MS)
    shop.turn_until(lambda: shop.fates() == {"acme/refused": "Denied, removed"}, "it left", worker)
    step = shop.broker.positions[SHARD].step
    compact(shop, b"acme/refused")
    assert step > max(published_steps(shop))
    shop.lose_everything()
    shop.order("A", "boots")
    shop.finish(worker)
    assert 1 == rebuilds(worker)
    assert step < published_steps(shop)[-1]


def test_a_shard_of_another_number_of_shards_is_held() -> None:
    """Its accounts are looked for elsewhere: whoever publishes it now sells their stock twice."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 5)
    shop.finish(worker)
    shop.bury()
    position = shop.broker.positions[SHARD]
    shop.broker.positions[SHARD] = replace(position, shards_total=2 * SHARDS_TOTAL)
    successor = shop.start()
    shop.turn_until(
        lambda: successor.owner.status.owned_shards == SHARDS_TOTAL - 1, "the others", successor
    )
    assert [SHARD] == list(successor.owner.status.held_shards)
    assert "can never change" in successor.owner.status.held_shards[SHARD]
