"""Workers die at each named point of their loops; readers never notice."""

from signal import SIGKILL

import pytest

from reservation_worker.ports import Waypoint
from tests.integration import shop, test_retention
from tests.integration.stage import Stage
from tests.integration.worker_process import Fate

ORDERS_EACH = 40
DEATHS = {
    "applying": (
        Waypoint.APPLY_POLLED,
        Waypoint.APPLY_STEPPED,
        Waypoint.APPLY_BEFORE_COMMIT,
        Waypoint.APPLY_AFTER_COMMIT,
    ),
    "dead letters": (
        Waypoint.DEAD_LETTERS_PRODUCED,
        Waypoint.DEAD_LETTERS_OFFSETS_SENT,
        Waypoint.DEAD_LETTERS_COMMITTED,
    ),
    "taking over": (
        Waypoint.TAKEOVER_POSITION_READ,
        Waypoint.TAKEOVER_BEFORE_MINT,
        Waypoint.TAKEOVER_MINTED,
        Waypoint.TAKEOVER_VERIFIED,
        Waypoint.TAKEOVER_CLAIMED,
    ),
    "rebuilding": (
        Waypoint.REBUILD_BEGUN,
        Waypoint.REBUILD_DROPPED,
        Waypoint.REBUILD_RESTORED,
        Waypoint.REBUILD_COMMITTED,
        Waypoint.REBUILD_FINISHED,
    ),
    "publishing": (
        Waypoint.PUBLISH_OUTBOX_READ,
        Waypoint.PUBLISH_BEFORE_COMMIT,
        Waypoint.PUBLISH_AFTER_COMMIT,
        Waypoint.PUBLISH_BEFORE_TRIM,
        Waypoint.PUBLISH_AFTER_TRIM,
    ),
    "keeping time": (
        Waypoint.SCHEDULE_DUE_READ,
        Waypoint.SCHEDULE_STEPPED,
    ),
}
PASSED_ONCE = frozenset(
    {
        # Once for each takeover, all shards together.
        Waypoint.TAKEOVER_POSITION_READ,
        Waypoint.TAKEOVER_BEFORE_MINT,
        Waypoint.TAKEOVER_MINTED,
        # A short load may need no more than one commit, with all its dead letters.
        Waypoint.APPLY_BEFORE_COMMIT,
        Waypoint.APPLY_AFTER_COMMIT,
        *DEATHS["dead letters"],
        # Once for each look at what is due, all shards together.
        Waypoint.SCHEDULE_DUE_READ,
    }
)


def test_every_waypoint_is_somebodys_death() -> None:
    """A new waypoint must not go unproven."""
    here = {waypoint for group in DEATHS.values() for waypoint in group}
    assert set(Waypoint) == here | set(test_retention.DEATHS)


@pytest.mark.parametrize("doing", DEATHS)
def test_reader_sees_each_change_once_although_workers_died(stage: Stage, doing: str) -> None:
    """Between any two effects of the loops a crash must lose nothing and double nothing.

    The next worker has the dead one's slot or another one by turns: the first fences the dead
    one's transaction, the other one has to wait until the brokers give it up.
    """
    accounts = stage.accounts()
    assert 0 == stage.open_shop().drain()
    for number, waypoint in enumerate(DEATHS[doing]):
        now_ms = stage.clock.now_ms()
        stage.send(shop.traffic(number, now_ms, accounts, ORDERS_EACH, waypoint.value))
        if doing == "rebuilding":
            stage.empty_redis()
        victim = stage.start(
            "two" if number % 3 == 2 else "one",
            fate=Fate(waypoint, 1 if waypoint in PASSED_ONCE else 2),
        )
        assert -SIGKILL == victim.exit_code(), f"{waypoint}\n{stage.last_words()}"
    last = stage.start("one")
    stage.wait_until_settled()
    stage.assert_every_law_holds()
    assert 0 == last.drain()
