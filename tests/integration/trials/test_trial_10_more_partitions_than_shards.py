"""Partitions are added to the topics written, and to the one that stands for shards."""

from tests.integration.stage import Stage
from tests.integration.topic_changes import Operator
from tests.waiting import wait_until

WAIT_MS = 30_000
SETTINGS = {"RESERVATION_TOPICS__LOOK_INTERVAL_MS": "200"}
WRITTEN = ("reservation-changed", "stock-changed", "acknowledged-reservation", "shards")


def test_partitions_that_were_added_stay_empty(stage: Stage) -> None:
    """Kafka cannot take them away again: it is told, and goes on, also at every later start."""
    operator = Operator(stage.cluster.bootstrap_servers)
    stage.open_shop().drain()
    worker = stage.start("two", settings=SETTINGS)
    worker.wait_until_ready()
    shards_total = stage.topics.shards_total
    names = [stage.topics.name(one) for one in WRITTEN]
    operator.add_partitions(names, shards_total + 2)
    wait_until(
        lambda: len(worker.logged("topic_problem_found")) == len(WRITTEN),
        timeout_ms=WAIT_MS,
        what="each topic is told",
    )
    assert {"more_partitions"} == {one["problem"] for one in worker.logged("topic_problem_found")}
    stage.sell(1, "before")
    stage.wait_until_settled()
    worker.wait_until_ready()
    assert worker.drain() == 0
    heir = stage.start("three", settings=SETTINGS)
    heir.wait_until_ready()
    other = stage.start("four", settings=SETTINGS)
    stage.sell(2, "after")
    stage.wait_until_settled()
    other.wait_until_ready()
    ends = stage.cluster.end_offsets(names)
    added = {one: end for one, end in ends.items() if one[1] >= shards_total}
    assert len(added) == 2 * len(WRITTEN)
    assert set(added.values()) == {0}
    stage.assert_nothing_violated()
