"""A whole process whose broker takes bytes and answers nothing: it ends, and says which call."""

import socket
from threading import Thread

from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from reservation_worker.cli.options import read_settings
from reservation_worker.composition import Surroundings, build_metrics, build_worker
from reservation_worker.embedded.port_claims import LOOPBACK
from reservation_worker.telemetry.log_events import CALL_STUCK
from reservation_worker.worker import Role, StopSignals
from reservation_worker.worker.process import EXIT_UNREACHABLE
from tests.clocks import StandingClock
from tests.waiting import wait_until

ENDS_MS = 10_000
LONGER_THAN_ANY_BOUND_MS = 600_000


def test_a_process_whose_call_outlasts_its_bound_ends(empty_valkey: str) -> None:
    """Its clients tell the watch that its main thread looks at; time is what the test says."""
    clock = StandingClock()
    with socket.create_server((LOOPBACK, 0)) as silent, capture_logs() as lines:
        port: int = silent.getsockname()[1]
        settings = read_settings(
            None,
            {
                "kafka": {"bootstrap_servers": f"{LOOPBACK}:{port}"},
                "redis": {"url": empty_valkey, "persistence_required": False},
            },
        )
        worker = build_worker(
            settings,
            "cluster/shop",
            Role.ALL,
            build_metrics(settings, CollectorRegistry()),
            StopSignals(exit_at_once=lambda _code: None),
            {},
            Surroundings(clock=lambda _clock: clock),
        )
        codes: list[int] = []
        Thread(target=lambda: codes.append(worker.run()), daemon=True).start()

        def has_ended() -> bool:
            clock.advance(LONGER_THAN_ANY_BOUND_MS)
            return bool(codes)

        wait_until(has_ended, timeout_ms=ENDS_MS, what="the process ends")
    assert codes == [EXIT_UNREACHABLE]
    (stuck,) = [line for line in lines if line["event"] == CALL_STUCK]
    assert stuck["lasts_ms"] >= LONGER_THAN_ANY_BOUND_MS
