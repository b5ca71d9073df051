"""A worker that was asleep while others took over wakes up."""

from signal import SIGSTOP

import pytest

from reservation_worker.ports import Waypoint
from reservation_worker.telemetry.log_events import PARTITIONS_LOST
from tests.integration import shop
from tests.integration.stage import Stage
from tests.integration.worker_process import Fate
from tests.waiting import wait_until

ORDERS_EACH = 60
WAKE_UP_TIMEOUT_MS = 30_000


@pytest.mark.parametrize(
    "asleep_at",
    [
        Waypoint.APPLY_BEFORE_COMMIT,
        Waypoint.DEAD_LETTERS_PRODUCED,
        Waypoint.PUBLISH_OUTBOX_READ,
        Waypoint.PUBLISH_BEFORE_COMMIT,
    ],
)
def test_former_owner_that_wakes_up_doubles_nothing_and_disorders_nothing(
    stage: Stage, asleep_at: Waypoint
) -> None:
    """It still believes to own its shards, and goes on with what it had in hand."""
    assert 0 == stage.open_shop().drain()
    accounts, now_ms = stage.accounts(), stage.clock.now_ms()
    stage.send(shop.traffic(1, now_ms, accounts, ORDERS_EACH, "before"))
    sleeper = stage.start("sleeper", fate=Fate(asleep_at, number=SIGSTOP))
    sleeper.wait_until_asleep()
    successor = stage.start("successor")
    stage.send(shop.traffic(2, now_ms, accounts, ORDERS_EACH, "meanwhile"))
    stage.wait_until_settled()
    stage.send(shop.traffic(3, now_ms, accounts, ORDERS_EACH, "at the end"))
    sleeper.resume()
    wait_until(
        lambda: bool(sleeper.logged(PARTITIONS_LOST)),
        timeout_ms=WAKE_UP_TIMEOUT_MS,
        what="the sleeper learns that it lost everything",
    )
    stage.wait_until_shared_by(2)
    stage.wait_until_settled()
    stage.assert_every_law_holds()
    assert [0, 0] == [sleeper.drain(), successor.drain()]
