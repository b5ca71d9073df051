"""An output partition has no leader: its shard waits alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from reservation_worker.embedded.kafka import EmbeddedKafka
from tests.integration import shop
from tests.integration.processes import WorkerProcess
from tests.integration.stage import Stage, open_stage
from tests.integration.test_payment_in_time import order, statuses
from tests.integration.topics import COMPACTED
from tests.reader import QUIET, TIMEOUT_SECONDS
from tests.waiting import wait_until

WAIT_MS = 60_000
SHARDS_TOTAL = 2
LOST = 1
"""The shard whose partition of `stock-changed` is on the broker that goes away."""
SETTINGS = {
    "RESERVATION_TOPICS__LOOK_INTERVAL_MS": "200",
    "RESERVATION_KAFKA__REQUEST_TIMEOUT_MS": "3000",
    "RESERVATION_PUBLISH__RETRY_HELD_INTERVAL_MS": "500",
}


@pytest.fixture
def brokers(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """Run three brokers."""
    with EmbeddedKafka(tmp_path / "kafka", brokers=3) as cluster:
        yield cluster


@pytest.fixture
def stage(brokers: EmbeddedKafka, tmp_path: Path) -> Iterator[Stage]:
    """Open a stage where one partition of one topic has a single copy, on the third broker."""
    with open_stage(
        brokers.bootstrap_servers, tmp_path, "leader", shards_total=SHARDS_TOTAL, settings=SETTINGS
    ) as opened:
        admin = AdminClient({"bootstrap.servers": brokers.bootstrap_servers, **QUIET})
        name = opened.topics.name("stock-changed")
        admin.delete_topics([name])[name].result(TIMEOUT_SECONDS)
        topic = NewTopic(
            name,
            SHARDS_TOTAL,
            replica_assignment=[[1, 2, 3], [3]],
            config={**COMPACTED, "min.insync.replicas": "1"},
        )

        def created() -> bool:
            answer = admin.create_topics([topic])[name]
            return answer.exception(TIMEOUT_SECONDS) is None

        wait_until(created, timeout_ms=20_000, what="the topic is created")
        yield opened


def sells(stage: Stage, shard: int, order_id: str) -> None:
    """Have an order of the shard's account published, and expired after it."""
    account = stage.accounts()[shard]
    stage.send([order(order_id, stage.clock.now_ms(), account=account)])
    wait_until(
        lambda: statuses(stage).get(order_id) == "Expired",
        timeout_ms=WAIT_MS,
        what=f"{order_id} is published, and expires\n{stage.last_words()}",
    )


def wait_until_held(worker: WorkerProcess) -> None:
    """Wait until the probe says that the shard waits."""
    wait_until(
        lambda: any(f"Shard {LOST}:" in one for one in worker.problems() or ()),
        timeout_ms=WAIT_MS,
        what=f"the shard waits\n{worker.problems()}",
    )


def test_a_shard_whose_partition_has_no_leader_waits_alone(
    stage: Stage, brokers: EmbeddedKafka
) -> None:
    """While it publishes, while it is taken over, and while it is rebuilt."""
    stage.send(shop.balances(stage.clock.now_ms(), stage.accounts()))
    worker = stage.start("one")
    worker.wait_until_ready()
    for shard in range(SHARDS_TOTAL):
        sells(stage, shard, f"before-{shard}")
    lost_account = stage.accounts()[LOST]
    broker = brokers.brokers[2]
    broker.kill()
    stage.send([order("waiting", stage.clock.now_ms(), account=lost_account)])
    wait_until_held(worker)
    sells(stage, 0, "during")
    worker.kill()
    heir = stage.start("two")
    wait_until_held(heir)
    sells(stage, 0, "taken-over")
    stage.empty_redis()
    wait_until(
        lambda: heir.rebuilt_shards() == {0}, timeout_ms=WAIT_MS, what="the other one is rebuilt"
    )
    sells(stage, 0, "rebuilt")
    assert "waiting" not in statuses(stage)
    broker.start()
    wait_until(
        lambda: heir.rebuilt_shards() == {0, LOST}, timeout_ms=WAIT_MS, what="both are rebuilt"
    )
    wait_until(lambda: "waiting" in statuses(stage), timeout_ms=WAIT_MS, what="nothing is lost")
    heir.wait_until_ready()
    stage.wait_until_settled()
    stage.assert_nothing_violated()
