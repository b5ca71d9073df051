"""How a worker ends, and how its two roles live apart."""

import pytest

from reservation_worker.telemetry.log_events import WORKER_STOPPED
from reservation_worker.worker import Role
from tests.integration import shop
from tests.integration.stage import Stage


def test_drained_worker_leaves_nothing_behind(stage: Stage) -> None:
    """A rolling restart must cost no session timeout and no record read twice."""
    accounts, now_ms = stage.accounts(), stage.clock.now_ms()
    worker = stage.open_shop()
    stage.send(shop.traffic(1, now_ms, accounts, 400, "busy"))
    stage.wait_until_something_is_published()
    assert 0 == worker.drain()
    assert 1 == len(worker.logged(WORKER_STOPPED))
    assert 0 == stage.cluster.members(stage.group_id)
    assert 0 == stage.cluster.members(stage.shards_group_id)
    committed = stage.committed_offsets()
    assert 0 < sum(committed.values())
    assert [] == stage.unpublished_shards()
    stage.start("next")
    stage.wait_until_settled()
    stage.assert_every_law_holds()


def test_roles_apart_do_the_whole_job_together(stage: Stage) -> None:
    """One process applies, another one publishes and keeps the time; either may be killed."""
    accounts, now_ms = stage.accounts(), stage.clock.now_ms()
    stage.send(shop.balances(now_ms, accounts))
    applying = stage.start("apply", role=Role.APPLY)
    publishing = stage.start("publish", role=Role.PUBLISH)
    applying.wait_until_ready()
    publishing.wait_until_ready()
    stage.wait_until_settled()
    stage.send(shop.traffic(1, now_ms, accounts, 60, "both"))
    stage.wait_until_settled()
    publishing.kill()
    stage.send(shop.traffic(2, now_ms, accounts, 60, "no publisher"))
    publishing = stage.start("publish", role=Role.PUBLISH)
    stage.wait_until_settled()
    applying.kill()
    stage.send(shop.traffic(3, now_ms, accounts, 60, "nobody applies"))
    applying = stage.start("apply", role=Role.APPLY)
    stage.wait_until_settled()
    stage.assert_every_law_holds()
    assert [0, 0] == [applying.drain(), publishing.drain()]


@pytest.mark.parametrize("role", [Role.APPLY, Role.PUBLISH])
def test_worker_with_one_role_drains(stage: Stage, role: Role) -> None:
    """It has nothing of the other role to wait for."""
    worker = stage.start(role=role)
    worker.wait_until_ready()
    assert 0 == worker.drain()
