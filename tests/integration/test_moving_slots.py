"""Slots of a Redis Cluster move from one primary to another while traffic runs."""

from collections.abc import Callable

import pytest

from reservation_worker.telemetry.log_events import DEPENDENCY_LOST, SERVER_CHANGED
from tests.integration import shop
from tests.integration.losing import Loss
from tests.integration.stage import SETTLE_TIMEOUT_MS, Stage
from tests.integration.topics import Message
from tests.integration.valkey_cluster import Cluster, open_on
from tests.integration.verifying import assert_agrees, verify
from tests.waiting import wait_until

WAYS: dict[str, Callable[[Cluster, int], None]] = {
    "key by key": Cluster.move_slot_key_by_key,
    "at once": Cluster.move_slot_at_once,
}
SHARD = 0
ORDERS_TOTAL = 20


def ordered(account: str, order_id: str, now_ms: int) -> Message:
    """Return an order that may be paid for a day."""
    return shop.bare(
        "order-completed",
        account=account,
        order_id=order_id,
        completed_at=shop.instant(now_ms),
        reservation_ttl_seconds=86_400,
        lines=[{"line_id": "1", "warehouse_id": "main", "sku": shop.SKUS[0], "quantity": 1}],
    )


def paid(account: str, order_id: str, now_ms: int) -> Message:
    """Return the payment of an order."""
    return shop.bare(
        "payment-approved",
        account=account,
        order_id=order_id,
        approved_at=shop.instant(now_ms),
        payment_id="only",
    )


def others(stage: Stage) -> list[str]:
    """Return the accounts of the shards that stay where they are."""
    return [account for shard, account in enumerate(stage.accounts()) if shard != SHARD]


@pytest.mark.loss
@pytest.mark.parametrize("way", WAYS)
def test_slots_that_move_while_traffic_runs_lose_nothing(
    stage: Stage, cluster: Cluster, loss: Loss, way: str
) -> None:
    """Every shard's server becomes another one, and its owner looks at it before it goes on.

    Nothing of the shard is left where it was, and nothing is left over where it is.
    """
    worker = open_on(stage, cluster)
    for number, shard in enumerate(range(stage.topics.shards_total), start=2):
        stage.sell(number, f"moving-{shard}")
        stage.wait_until_something_is_published()
        loss.begins(f"Cluster: a slot moves to another primary, {way}")
        WAYS[way](cluster, cluster.slot_of(shard))
    stage.sell(9, "after")
    loss.is_survived("after")
    assert worker.logged(SERVER_CHANGED)
    assert_agrees(verify(stage, settings=cluster.settings))
    assert 0 == worker.drain()


@pytest.mark.loss
def test_step_that_a_moving_slot_cuts_off_has_its_shard_rebuilt(
    stage: Stage, cluster: Cluster, loss: Loss
) -> None:
    """All that it reads is there, but keys that are new may not be made on this side any more.

    So the step is cut off where it writes its outbox entry; some of its writes are in effect.
    """
    worker = open_on(stage, cluster)
    account = stage.accounts()[SHARD]
    now_ms = stage.clock.now_ms()
    orders = [f"waiting-{number}" for number in range(ORDERS_TOTAL)]
    stage.send(ordered(account, one, now_ms) for one in orders)
    stage.wait_until_settled()
    move = cluster.begin_move(cluster.slot_of(SHARD))
    loss.begins("Cluster: a step cut off by a slot that moves")
    stage.send(paid(account, one, now_ms) for one in orders)
    meta = f"{{s{SHARD}}}:meta"
    wait_until(
        lambda: move.source.client.hget(meta, "writing") == "1",
        timeout_ms=SETTLE_TIMEOUT_MS,
        what=f"a step is cut off\n{stage.last_words()}",
    )
    stage.sell(2, "meanwhile")
    loss.wait_for_shops("meanwhile", others(stage))
    move.take_the_rest()
    cluster.end_move(move)
    stage.sell(3, "after")
    loss.is_survived("after")
    assert {SHARD} == worker.rebuilt_shards()
    assert_agrees(verify(stage, settings=cluster.settings))
    assert 0 == worker.drain()


@pytest.mark.loss
@pytest.mark.parametrize("first", ["its meta", "all but its meta"])
def test_shard_waits_while_each_side_has_a_half_of_it(
    stage: Stage, cluster: Cluster, loss: Loss, first: str
) -> None:
    """Whoever followed to the other side would find no stock there, and decide on that.

    The other shards wait neither for it nor for its owner, and nor do those of an owner that
    begins in the meantime.
    """
    worker = open_on(stage, cluster)
    move = cluster.begin_move(cluster.slot_of(SHARD))
    meta = f"{{s{SHARD}}}:meta"
    move.take([key for key in move.left() if (key == meta) == (first == "its meta")])
    arrived = move.arrived()
    loss.begins(f"Cluster: a slot stays halfway, {first} on the other side")
    stage.sell(2, "after")
    loss.wait_for_shops("after", others(stage))
    worker.kill()
    worker = stage.start(settings=cluster.settings)
    stage.sell(3, "by another owner")
    loss.wait_for_shops("by another owner", others(stage))
    assert not worker.logged(DEPENDENCY_LOST)
    assert arrived == move.arrived()
    move.take_the_rest()
    cluster.end_move(move)
    loss.is_survived("after")
    assert_agrees(verify(stage, settings=cluster.settings))
    assert 0 == worker.drain()
