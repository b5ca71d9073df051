"""A worker that was asleep while others took over wakes up."""

from signal import SIGKILL, SIGSTOP

import pytest

from reservation_worker.ports import Waypoint
from reservation_worker.telemetry.log_events import (
    FORMER_OWNER_FENCED,
    LOOP_FAILED,
    PARTITIONS_LOST,
)
from tests.integration import shop
from tests.integration.conftest import NewStage
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


def test_successor_ends_what_a_dead_owner_of_another_name_has_left_open(
    new_stage: NewStage,
) -> None:
    """Else it waits for as long as the brokers keep the transaction of a producer that is gone."""
    stage = new_stage(settings={"RESERVATION_KAFKA__TRANSACTION_TIMEOUT_MS": "15000"})
    assert 0 == stage.open_shop("dead").drain()
    stage.sell(1, "before")
    dead = stage.start("dead", fate=Fate(Waypoint.PUBLISH_BEFORE_COMMIT))
    assert -SIGKILL == dead.exit_code()
    successor = stage.start("successor")
    stage.wait_until_settled()
    (fenced,) = successor.logged(FORMER_OWNER_FENCED)
    assert fenced["producer"].endswith("-dead")
    stage.assert_nothing_violated()
    assert 0 == successor.drain()


def test_worker_whose_place_another_one_takes_ends_and_says_so(stage: Stage) -> None:
    """Two processes with one slot would take each other's shards away for ever, in silence."""
    first = stage.open_shop("one")
    second = stage.start("one")
    assert 1 == first.exit_code()
    (failure, *_others) = first.logged(LOOP_FAILED)
    assert "worker slot" in failure["reason"]
    second.wait_until_ready()
    assert 0 == second.drain()
