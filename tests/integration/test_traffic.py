"""The worker does its whole job when nothing breaks."""

from tests.integration import shop
from tests.integration.stage import Stage

SEED = 11


def test_whole_traffic_comes_out_as_the_laws_say(stage: Stage) -> None:
    """Every fact, encoding, repeat and unusable record; the auditor has seen only the topics."""
    worker = stage.open_shop()
    stage.send(shop.traffic(SEED, stage.clock.now_ms(), stage.accounts(), 80, "day"))
    stage.wait_until_settled()
    stage.assert_every_law_holds()
    assert worker.drain() == 0
