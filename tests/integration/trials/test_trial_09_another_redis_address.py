"""One of two workers looks at another Redis: both say within seconds that input waits."""

from pathlib import Path

from reservation_worker.embedded.valkey import EmbeddedValkey
from reservation_worker.telemetry.log_events import SHARD_UNVERIFIED
from tests.integration import shop
from tests.integration.processes import WorkerProcess
from tests.integration.stage import Stage
from tests.waiting import wait_until

NOTICE_TIMEOUT_MS = 30_000
ORDERS_EACH = 20


def wait_until_it_is_said(worker: WorkerProcess, *words: str) -> None:
    """Wait until the probe of a worker says that input waits, in one of these words."""
    wait_until(
        lambda: any(word in one for one in worker.problems() or () for word in words),
        timeout_ms=NOTICE_TIMEOUT_MS,
        what=f"{worker.log_path.name} says that input waits",
    )


def test_one_of_two_workers_with_another_redis_address_is_said(
    stage: Stage, tmp_path: Path
) -> None:
    """Each applies what it reads on its own Redis, and owns half of the shards."""
    accounts, now_ms = stage.accounts(), stage.clock.now_ms()
    one = stage.open_shop("one")
    with EmbeddedValkey(tmp_path / "another") as another:
        two = stage.start("two", settings={"RESERVATION_REDIS__URL": another.url})
        stage.wait_until_shared_by(2)
        stage.send(shop.traffic(1, now_ms, accounts, ORDERS_EACH, "waits"))
        # It may have met an interruption meanwhile; then it waits for counts that the other has.
        wait_until_it_is_said(one, "compare redis.url", "Counts come first")
        wait_until_it_is_said(two, "compare redis.url")
        assert two.logged(SHARD_UNVERIFIED)
        assert 0 < (two.gauge("reservation_unverified_shards") or 0)
        two.kill()
    stage.wait_until_settled()
    stage.assert_nothing_violated()
    assert 0 == one.drain()
