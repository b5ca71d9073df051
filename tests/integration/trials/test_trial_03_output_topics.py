"""Output topics whose `cleanup.policy` is not compact, at the start and while a worker runs."""

from tests.integration.stage import Stage
from tests.integration.test_payment_in_time import wait_for_statuses
from tests.integration.topic_changes import Operator
from tests.integration.trials.test_trial_06_topic_created_anew import ACCOUNT, patient_order
from tests.waiting import wait_until

WAIT_MS = 30_000
LOOK_SOON = {"RESERVATION_TOPICS__LOOK_INTERVAL_MS": "200"}
HELD_BACK = ["held-back-1", "held-back-2"]


def test_an_output_topic_that_loses_by_time_is_refused_at_the_start(stage: Stage) -> None:
    """`compact,delete` as well: what is deleted by time cannot be restored from it."""
    operator = Operator(stage.cluster.bootstrap_servers)
    operator.set_up(stage.topics.name("stock-changed"), {"cleanup.policy": "compact,delete"})
    worker = stage.start()
    assert worker.exit_code() == 3
    words = worker.log_path.read_text("utf-8")
    assert f"--topic {stage.topics.name('stock-changed')}" in words
    assert "--add-config cleanup.policy=compact" in words


def test_an_output_topic_that_begins_to_lose_by_time_stops_publishing(stage: Stage) -> None:
    """It says what to do, publishes and commits nothing, and goes on when it is mended."""
    operator = Operator(stage.cluster.bootstrap_servers)
    stage.open_shop(accounts=[ACCOUNT]).drain()
    worker = stage.start("two", settings=LOOK_SOON)
    worker.wait_until_ready()
    name = stage.topics.name("reservation-changed")
    operator.set_up(name, {"cleanup.policy": "delete"})
    wait_until(
        lambda: any(name in problem for problem in worker.problems() or ()),
        timeout_ms=WAIT_MS,
        what="the probe names the topic",
    )
    assert worker.gauge("reservation_topic_problems", problem="not_compacted") == 1
    (told,) = worker.logged("topic_problem_found")
    assert (name, "not_compacted") == (told["topic"], told["problem"])
    committed = stage.committed_offsets()
    stage.send(patient_order(order_id, stage.clock.now_ms()) for order_id in HELD_BACK)
    wait_until(
        lambda: any(stage.unpublished_shards()), timeout_ms=WAIT_MS, what="something is applied"
    )
    wait_until(
        lambda: bool(worker.logged("transaction_aborted")),
        timeout_ms=WAIT_MS,
        what="publishing is refused",
    )
    assert stage.committed_offsets() == committed
    operator.set_up(name, {"cleanup.policy": "compact"})
    wait_for_statuses(stage, dict.fromkeys(HELD_BACK, "Authorized"))
    worker.wait_until_ready()
    assert worker.logged("topic_problem_ended")
