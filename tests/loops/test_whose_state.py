"""Two deployments meet on one Redis, or in one set of topics: one of them stops and says so."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from reservation_worker.adapters.in_memory.restoring import InMemoryRestoring
from reservation_worker.domain.keys import shard_of
from reservation_worker.ports import PublishedBy
from reservation_worker.recovery.strangers import stranger_among
from tests.loops.assembly import Loops
from tests.loops.small_shop import SHARDS_TOTAL, SmallShop

OWN, FORMER = "/reservation-worker/own", "/reservation-worker/former"
SHARD = shard_of("acme", SHARDS_TOTAL)


def rebuilds(worker: Loops) -> float | None:
    """Return how many shards a worker has rebuilt."""
    return worker.metrics.registry.get_sample_value("reservation_shard_rebuilds_total")


def test_another_deployments_shards_are_refused_by_owner_and_reader_alike() -> None:
    """It is said by log, probe and metric, and the former one goes on untouched."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 5)
    shop.finish(worker)
    before = shop.contents()
    other = SmallShop()
    other.store = shop.store.seen_by("cluster/other")
    stranger = other.start()
    other.order("A", "boots")
    with capture_logs() as lines:
        for _ in range(20):
            other.turn(stranger)
    assert before == shop.contents()
    assert [] == other.broker.outputs
    assert not other.is_committed
    assert {SHARD} <= stranger.owner.status.held_shards.keys()
    assert all("cluster/group" in one for one in stranger.owner.status.held_shards.values())
    (problem,) = stranger.apply.status.problems
    assert "cluster/group" in problem
    assert "redis.key_prefix" in problem
    assert {"shard_held", "shard_foreign"} <= {line["event"] for line in lines}
    registry = stranger.metrics.registry
    assert registry.get_sample_value("reservation_foreign_shards") == 1
    shop.order("A", "boots")
    shop.finish(worker)
    assert {"acme/A": "Authorized"} == shop.statuses()


def former_shop() -> tuple[SmallShop, Loops]:
    """Return a shop whose topics another group has filled, and a new group's worker."""
    shop = SmallShop()
    former = shop.start()
    shop.count("boots", 3)
    shop.order("A", "boots")
    shop.finish(former)
    shop.bury()
    header = ("ce_source", FORMER.encode())
    shop.broker.outputs[:] = [
        replace(one, headers=tuple(header if h[0] == "ce_source" else h for h in one.headers))
        for one in shop.broker.outputs
    ]
    # A new group has no positions, and its input is still to come.
    shop.broker.positions.clear()
    shop.store = shop.store.seen_by("cluster/renamed")
    return shop, shop.start()


def test_a_renamed_group_publishes_nothing_twice_and_takes_over_by_a_command() -> None:
    """What the old workers hold, they hold until somebody says that they are gone."""
    shop, worker = former_shop()
    published = len(shop.broker.outputs)
    shop.order("B", "boots")
    shop.turn_until(lambda: bool(worker.owner.status.held_shards), "it is held", worker)
    assert published == len(shop.broker.outputs)
    state = shop.store.inspect(SHARD)
    assert InMemoryRestoring(shop.store).demand(SHARD, state, "renamed", adopts=True)
    shop.finish(worker)
    assert {"acme/A": "Authorized", "acme/B": "Denied"} == shop.statuses()
    assert rebuilds(worker) == 1
    shop.check_order_of_publication()
    # What was adopted is its own from now on, also when Redis loses it all.
    shop.lose_everything()
    shop.order("C", "boots")
    shop.finish(worker)
    assert rebuilds(worker) == 2
    shop.check_order_of_publication()


def test_nobody_rebuilds_from_a_strangers_records_unasked() -> None:
    """Two groups on the same topics would publish everything twice."""
    shop, worker = former_shop()
    shop.lose_everything()
    shop.store = shop.store.seen_by("cluster/renamed")
    worker = shop.start()
    shop.order("B", "boots")
    shop.turn_until(lambda: SHARD in worker.owner.status.held_shards, "it is held", worker)
    assert FORMER in worker.owner.status.held_shards[SHARD]
    assert "--adopt" in worker.owner.status.held_shards[SHARD]
    assert "acme/B" not in shop.statuses()
    state = shop.store.inspect(SHARD)
    assert InMemoryRestoring(shop.store).demand(SHARD, state, "it is gone", adopts=True)
    shop.finish(worker)
    assert {"acme/A": "Authorized", "acme/B": "Denied"} == shop.statuses()


def published(source: str, first: int, last: int) -> PublishedBy:
    """Return who has published what."""
    return PublishedBy("stock-changed", source, first, last)


@pytest.mark.parametrize(
    ("sources", "step", "stranger"),
    [
        ([published(OWN, 0, 9)], 5, None),
        ([published("/reservation-worker", 0, 9)], 0, None),
        ([published(FORMER, 0, 9)], 0, FORMER),
        ([published(FORMER, 0, 9)], 5, None),
        ([published(FORMER, 0, 4), published(OWN, 5, 9)], 5, None),
        ([published(FORMER, 0, 4), published(OWN, 5, 9)], 0, FORMER),
        ([published(OWN, 0, 4), published(FORMER, 5, 9)], 5, FORMER),
        ([published(FORMER, 0, 9), published(OWN, 3, 7)], 5, FORMER),
    ],
)
def test_records_of_a_former_group_all_stand_before_the_own_ones(
    sources: list[PublishedBy], step: int, stranger: str | None
) -> None:
    """Behind them, somebody else still publishes."""
    found = stranger_among(sources, OWN, step)
    assert stranger == (None if found is None else found.source)
