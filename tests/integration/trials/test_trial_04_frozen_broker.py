"""A broker stands still for a while under load: connections stay open, and nothing answers."""

from pathlib import Path

from reservation_worker.cli.exit_codes import ExitCode
from reservation_worker.embedded.kafka import EmbeddedKafka
from reservation_worker.telemetry.log_events import CALL_STUCK, GROUP_NOT_JOINED, LOOP_FAILED
from tests.integration.processes import WorkerProcess
from tests.integration.stage import Stage, open_stage
from tests.waiting import wait_until

TIMEOUT_MS = 60_000
FROZEN_MS = 8_000
SETTINGS = {
    "RESERVATION_KAFKA__REQUEST_TIMEOUT_MS": "1000",
    "RESERVATION_KAFKA__TRANSACTION_TIMEOUT_MS": "2000",
    "RESERVATION_PROCESS__SILENT_AFTER_MS": "2000",
    "RESERVATION_PROCESS__QUESTION_INTERVAL_MS": "200",
}
"""A call is stuck after three seconds; one that ends a transaction after six."""
REASONS = (CALL_STUCK, GROUP_NOT_JOINED, LOOP_FAILED)
"""One of them is said. The last: the broker gave its name away, see decision 0018."""


def started_until_it_stays(stage: Stage) -> WorkerProcess:
    """Start workers as a supervisor does: one ends at once while the broker does not answer yet."""
    worker = stage.start()

    def is_ready() -> bool:
        nonlocal worker
        if not worker.runs:
            assert ExitCode.UNREACHABLE == worker.exit_code()
            worker = stage.start()
        return worker.problems() == ()

    wait_until(is_ready, timeout_ms=TIMEOUT_MS, what="a worker stays")
    return worker


def wait_until_ready_or_ended(stage: Stage, worker: WorkerProcess) -> None:
    """Wait until it does one of the two; fail with what it says of itself."""
    said: tuple[str, ...] | None = ()

    def is_either() -> bool:
        nonlocal said
        said = worker.problems() if worker.runs else ()
        return said == ()

    try:
        wait_until(is_either, timeout_ms=TIMEOUT_MS, what="it goes on, or ends")
    except AssertionError as error:
        raise AssertionError(f"{error}: {said}\n{stage.last_words()}") from error


def test_a_worker_goes_on_after_its_broker_stood_still_or_ends_with_the_reason(
    tmp_path: Path,
) -> None:
    """A client's call may never come back from it: then only another process goes on."""
    with (
        EmbeddedKafka(tmp_path / "kafka") as kafka,
        open_stage(kafka.bootstrap_servers, tmp_path, "frozen", settings=SETTINGS) as stage,
    ):
        worker = stage.open_shop()
        stage.sell(1, "before")
        stage.wait_until_something_is_published()
        (broker,) = kafka.brokers
        frozen_at_ms = stage.clock.monotonic_ms()
        broker.suspend()
        wait_until(lambda: worker.problems() != (), timeout_ms=TIMEOUT_MS, what="it is not ready")
        wait_until(
            lambda: stage.clock.monotonic_ms() > frozen_at_ms + FROZEN_MS,
            timeout_ms=TIMEOUT_MS,
            what="calls have outlasted their time",
        )
        broker.resume()
        wait_until_ready_or_ended(stage, worker)
        if not worker.runs:
            assert worker.exit_code() > 0
            assert any(map(worker.logged, REASONS))
            worker = started_until_it_stays(stage)
        stage.sell(2, "after")
        stage.wait_until_settled()
        stage.assert_nothing_violated()
        assert 0 == worker.drain()
