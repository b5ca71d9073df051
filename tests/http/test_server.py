"""What probes and scrapers are answered."""

import json
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection, HTTPResponse

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from reservation_worker.adapters.http.server import ProbeAnswers, ProbeServer
from reservation_worker.telemetry.metrics import Metrics

READY = ProbeAnswers(live=True, ready=True, started=True, problems=())
STARTING = ProbeAnswers(live=True, ready=False, started=False, problems=("Not joined yet.",))
STALLED = ProbeAnswers(live=False, ready=False, started=True, problems=("The loop hangs.",))


class Answering:
    """A worker that is as the test says."""

    def __init__(self) -> None:
        self.answers = READY

    def __call__(self) -> ProbeAnswers:
        """Look at it."""
        return self.answers


@pytest.fixture
def worker() -> Answering:
    """Give a worker that is ready."""
    return Answering()


@pytest.fixture
def connection(worker: Answering) -> Iterator[HTTPConnection]:
    """Serve its probes, and connect to them."""
    registry = CollectorRegistry()
    Metrics(registry)
    with ProbeServer("127.0.0.1", 0, worker, registry) as server:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
        yield connection
        connection.close()


def ask(connection: HTTPConnection, path: str, method: str = "GET") -> tuple[HTTPResponse, bytes]:
    """Send one request; return the response and its body."""
    connection.request(method, path)
    response = connection.getresponse()
    return response, response.read()


@pytest.mark.parametrize(
    ("answers", "statuses"),
    [
        (READY, {"/livez": 200, "/readyz": 200, "/startupz": 200}),
        (STARTING, {"/livez": 200, "/readyz": 503, "/startupz": 503}),
        (STALLED, {"/livez": 503, "/readyz": 503, "/startupz": 200}),
    ],
    ids=["ready", "starting", "stalled"],
)
def test_each_probe_tells_its_own_truth(
    worker: Answering,
    connection: HTTPConnection,
    answers: ProbeAnswers,
    statuses: dict[str, int],
) -> None:
    """Restarting what only waits, or sending traffic to what hangs, makes an outage worse."""
    worker.answers = answers
    assert statuses == {path: ask(connection, path)[0].status for path in statuses}


def test_a_failed_probe_says_why(worker: Answering, connection: HTTPConnection) -> None:
    """The answer is what a person sees first."""
    worker.answers = STARTING
    _, body = ask(connection, "/readyz?verbose")
    assert {"ok": False, "problems": ["Not joined yet."]} == json.loads(body)


def test_a_probe_that_succeeds_says_what_else_should_be_known(
    worker: Answering, connection: HTTPConnection
) -> None:
    """Nothing expires, for instance: that is no reason to take a worker out of service."""
    worker.answers = replace(READY, remarks=("The frontier waits.",))
    response, body = ask(connection, "/readyz")
    assert 200 == response.status
    assert {"ok": True, "remarks": ["The frontier waits."]} == json.loads(body)


def test_an_unknown_path_is_told_which_ones_there_are(connection: HTTPConnection) -> None:
    """A probe on a wrong path must fail, and explain itself."""
    response, body = ask(connection, "/healthz")
    assert 404 == response.status
    assert ["/livez", "/readyz", "/startupz", "/metrics"] == json.loads(body)["paths"]


def test_a_head_request_gets_no_body(connection: HTTPConnection) -> None:
    """Load balancers ask so."""
    response, body = ask(connection, "/livez", "HEAD")
    assert (200, b"") == (response.status, body)


def test_metrics_can_be_scraped_and_all_begin_at_zero(connection: HTTPConnection) -> None:
    """An alert on a rate needs a first value, before the first event."""
    response, body = ask(connection, "/metrics")
    assert 200 == response.status
    families = {family.name: family for family in text_string_to_metric_families(body.decode())}
    facts = families["reservation_facts"].samples
    assert {0.0} == {sample.value for sample in facts}
    assert 8 * 5 == len(facts)


def test_a_metric_has_the_prefix_and_no_creation_time(connection: HTTPConnection) -> None:
    """Creation times double the series and are of no use."""
    _, body = ask(connection, "/metrics")
    names = {family.name for family in text_string_to_metric_families(body.decode())}
    assert set() == {name for name in names if not name.startswith("reservation_")}
    assert b"_created" not in body
