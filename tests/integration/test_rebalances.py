"""Workers come and go while traffic runs."""

import pytest

from tests.integration import shop
from tests.integration.conftest import NewStage

ORDERS_EACH = 60


@pytest.mark.parametrize("rebalancing", ["eager", "cooperative", "consumer"])
def test_reader_sees_each_change_once_while_workers_join_and_leave(
    new_stage: NewStage, rebalancing: str
) -> None:
    """Whoever owned a partition or a shard before must leave nothing half done, in any protocol."""
    stage = new_stage(settings={"RESERVATION_KAFKA__REBALANCING": rebalancing})
    accounts, now_ms = stage.accounts(), stage.clock.now_ms()

    def send(seed: int) -> None:
        stage.send(shop.traffic(seed, now_ms, accounts, ORDERS_EACH, f"load-{seed}"))

    first = stage.open_shop("first")
    send(1)
    second = stage.start("second")
    send(2)
    second.wait_until_ready()
    send(3)
    stage.wait_until_shared_by(2)
    send(4)
    assert 0 == first.drain()
    send(5)
    third = stage.start("third")
    send(6)
    third.wait_until_ready()
    stage.wait_until_shared_by(2)
    send(7)
    second.kill()
    send(8)
    stage.wait_until_settled()
    stage.assert_every_law_holds()
    assert 0 == third.drain()
