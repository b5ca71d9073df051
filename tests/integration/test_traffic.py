"""The worker does its whole job when nothing breaks."""

from tests.integration import shop
from tests.integration.stage import Stage

SEED = 11


def test_whole_traffic_comes_out_as_the_laws_say(stage: Stage) -> None:
    """Every fact, encoding, repeat and unusable record; the auditor has seen only the topics."""
    accounts = stage.accounts()
    now_ms = stage.clock.now_ms()
    stage.send(shop.balances(now_ms, accounts))
    worker = stage.start()
    worker.wait_until_ready()
    stage.wait_until_settled()
    stage.send(shop.traffic(SEED, now_ms, accounts, 80, "day"))
    stage.wait_until_settled()
    stage.assert_every_law_holds()
    assert worker.drain() == 0
