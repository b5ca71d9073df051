"""A worker that was asleep while others took over wakes up."""

from reservation_worker.telemetry.log_events import PARTITIONS_LOST
from tests.integration import shop
from tests.integration.stage import Stage
from tests.waiting import wait_until

ORDERS_EACH = 80
WAKE_UP_TIMEOUT_MS = 30_000


def test_former_owner_that_wakes_up_doubles_nothing_and_disorders_nothing(stage: Stage) -> None:
    """It still believes to own its shards, holds an open batch, and goes on where it stopped."""
    accounts, now_ms = stage.accounts(), stage.clock.now_ms()
    sleeper = stage.open_shop("sleeper")
    stage.send(shop.traffic(1, now_ms, accounts, ORDERS_EACH, "before"))
    stage.wait_until_something_is_published()
    sleeper.suspend()
    successor = stage.start("successor")
    stage.send(shop.traffic(2, now_ms, accounts, ORDERS_EACH, "meanwhile"))
    successor.wait_until_ready()
    stage.wait_until_settled()
    stage.send(shop.traffic(3, now_ms, accounts, ORDERS_EACH, "at the end"))
    sleeper.resume()
    wait_until(
        lambda: bool(sleeper.logged(PARTITIONS_LOST)),
        timeout_ms=WAKE_UP_TIMEOUT_MS,
        what="the sleeper learns that it lost everything",
    )
    stage.send(shop.traffic(4, now_ms, accounts, ORDERS_EACH, "together"))
    stage.wait_until_shared_by(2)
    stage.wait_until_settled()
    stage.assert_every_law_holds()
    assert [0, 0] == [sleeper.drain(), successor.drain()]
