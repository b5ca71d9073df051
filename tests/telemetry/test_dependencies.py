"""Whether Kafka and Redis answer is said once, with its reason, and as soon as it is so."""

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from reservation_worker.telemetry.dependencies import QUESTION, Dependencies
from reservation_worker.telemetry.labels import Dependency, LostReason
from reservation_worker.telemetry.log_events import DEPENDENCY_LOST, DEPENDENCY_RECOVERED
from reservation_worker.telemetry.metrics import Metrics
from tests.clocks import StandingClock

SILENT_AFTER_MS = 5_000


class Process:
    """What two loops of a process hear."""

    def __init__(self) -> None:
        self.clock = StandingClock(0)
        self.metrics = Metrics(CollectorRegistry())
        self.dependencies = Dependencies(self.metrics, self.clock.monotonic_ms, SILENT_AFTER_MS)

    def gauge(self, name: str, **labels: str) -> float | None:
        """Return what a scraper sees."""
        return self.metrics.registry.get_sample_value(f"reservation_{name}", labels)

    def lose(self, loop: str, reason: LostReason = LostReason.REFUSED) -> None:
        """Let a loop miss Kafka."""
        self.dependencies.lost(Dependency.KAFKA, loop, reason, "nobody listens there")


@pytest.fixture
def process() -> Process:
    """Return a process that hears everything."""
    return Process()


def test_a_dependency_is_up_only_while_every_loop_hears_it(process: Process) -> None:
    """Each loop has clients of its own: one of them may be cut off alone."""
    assert process.gauge("dependency_up", dependency="kafka") == 1
    process.lose("apply")
    process.lose("publish")
    process.dependencies.heard(Dependency.KAFKA, "publish")
    assert process.gauge("dependency_up", dependency="kafka") == 0
    assert process.gauge("dependency_up", dependency="redis") == 1
    process.dependencies.heard(Dependency.KAFKA, "apply")
    assert process.gauge("dependency_up", dependency="kafka") == 1


def test_an_outage_is_told_once_with_its_reason_and_how_long_it_lasted(process: Process) -> None:
    """Whoever reads the log must see one outage, however many loops meet it, however often."""
    with capture_logs() as lines:
        process.lose("apply")
        process.lose("publish")
        process.lose("apply")
        process.clock.advance(7_000)
        process.dependencies.heard(Dependency.KAFKA, "apply")
        process.dependencies.heard(Dependency.KAFKA, "publish")
    assert [DEPENDENCY_LOST, DEPENDENCY_RECOVERED] == [line["event"] for line in lines]
    assert "refused" == lines[0]["reason"]
    assert 7_000 == lines[1]["lasted_ms"]
    assert 3 == process.gauge("retries_total", dependency="kafka", reason="refused")


def test_a_question_that_is_not_answered_counts_before_it_ends(process: Process) -> None:
    """Clients wait long for an answer; probes must not."""
    process.dependencies.asks(Dependency.KAFKA)
    process.clock.advance(SILENT_AFTER_MS - 1)
    assert process.dependencies.problems() == ()
    process.clock.advance(1)
    assert process.gauge("dependency_up", dependency="kafka") == 0
    (problem,) = process.dependencies.problems()
    assert problem.startswith("Kafka is lost")
    process.dependencies.heard(Dependency.KAFKA, QUESTION)
    process.clock.advance(SILENT_AFTER_MS)
    assert process.gauge("dependency_up", dependency="kafka") == 1


def test_what_is_still_to_be_read_is_not_shown_while_nobody_knows(process: Process) -> None:
    """A lag that stands still in an outage looks like one that is small."""
    process.metrics.consumer_lag_records.labels("order-completed", "0").set(3)
    labels = {"topic": "order-completed", "partition": "0"}
    assert process.gauge("consumer_lag_records", **labels) == 3
    process.lose("apply")
    assert process.gauge("consumer_lag_records", **labels) is None
    process.dependencies.heard(Dependency.KAFKA, "apply")
    assert process.gauge("consumer_lag_records", **labels) == 3


def test_the_frontiers_age_is_infinite_until_something_is_known(process: Process) -> None:
    """An age of 0 would say that all payments are known."""
    assert process.gauge("payment_frontier_age_seconds") == float("inf")
    process.metrics.forget_frontier()
    assert process.gauge("payment_frontier_age_seconds") is None
