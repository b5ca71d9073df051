"""A broker is dead while the worker has nothing to do."""

from math import inf
from pathlib import Path

from reservation_worker.embedded.kafka import EmbeddedKafka
from reservation_worker.telemetry.log_events import DEPENDENCY_LOST, DEPENDENCY_RECOVERED
from tests.integration.stage import open_stage
from tests.waiting import wait_until

TIMEOUT_MS = 60_000
FRONTIER_AGE = "reservation_payment_frontier_age_seconds"
FRONTIER_AGE_SECONDS = 3
SETTINGS = {
    "RESERVATION_KAFKA__REQUEST_TIMEOUT_MS": "2000",
    "RESERVATION_PROCESS__SILENT_AFTER_MS": "1000",
    "RESERVATION_PROCESS__QUESTION_INTERVAL_MS": "200",
}


def test_an_idle_worker_tells_of_a_dead_broker_and_goes_on_by_itself(tmp_path: Path) -> None:
    """Nothing fails where nothing is done, so it has to ask; and ages must not stand still."""
    with (
        EmbeddedKafka(tmp_path / "kafka") as kafka,
        open_stage(kafka.bootstrap_servers, tmp_path, "dead", settings=SETTINGS) as stage,
    ):
        worker = stage.open_shop()
        assert worker.gauge("reservation_dependency_up", dependency="kafka") == 1
        wait_until(
            lambda: (worker.gauge(FRONTIER_AGE) or inf) < FRONTIER_AGE_SECONDS,
            timeout_ms=TIMEOUT_MS,
            what="the frontier is known",
        )
        (broker,) = kafka.brokers
        broker.kill()
        wait_until(
            lambda: any("Kafka is lost" in one for one in worker.problems() or ()),
            timeout_ms=TIMEOUT_MS,
            what="it is not ready, and says why",
        )
        assert worker.gauge("reservation_dependency_up", dependency="kafka") == 0
        assert worker.gauge("reservation_dependency_up", dependency="redis") == 1
        wait_until(
            lambda: (worker.gauge(FRONTIER_AGE) or 0) > FRONTIER_AGE_SECONDS,
            timeout_ms=TIMEOUT_MS,
            what="the frontier grows old",
        )
        assert (worker.gauge(FRONTIER_AGE) or inf) < inf
        first = stage.topics.name("order-completed")
        assert worker.gauge("reservation_consumer_lag_records", topic=first, partition="0") is None
        wait_until(
            lambda: "refused" in {line["reason"] for line in worker.logged(DEPENDENCY_LOST)},
            timeout_ms=TIMEOUT_MS,
            what="it says why",
        )
        assert {"kafka"} == {line["dependency"] for line in worker.logged(DEPENDENCY_LOST)}
        assert worker.is_live()
        broker.start()
        worker.wait_until_ready()
        assert worker.logged(DEPENDENCY_RECOVERED)[-1]["lasted_ms"] > 0
        stage.sell(1, "after")
        stage.wait_until_settled()
        stage.assert_nothing_violated()
        assert worker.gauge("reservation_dependency_up", dependency="kafka") == 1
        assert 0 == worker.drain()
