"""The benchmark, small, on servers of its own: what it measures is all there and can be true."""

import msgspec

from reservation_worker.benchmark.figures import Document, Throughput
from tests.cli.command import CommandLine

TIMEOUT_SECONDS = 280
STAGES = (
    *("fetch", "decode", "pack", "wait for the step", "wait for the outbox", "unpack", "encode"),
    *("produce", "commit"),
)


def test_smoke_measures_the_worker_and_both_ceilings() -> None:
    """One document on stdout; progress on stderr; and no unit sold twice, or not at all."""
    ended = CommandLine(timeout_seconds=TIMEOUT_SECONDS)("bench", "--quick", "--json")
    assert 0 == ended.code, ended.stderr
    document = msgspec.json.decode(ended.stdout, type=Document)
    assert document.backlog is not None
    check_throughput(document.backlog.throughput)
    ceiling = document.backlog.throughput.step_ceiling
    assert ceiling is not None
    ratio = None if ceiling.ratio is None else ceiling.ratio.median
    assert ratio == document.ratio_to_lua_ceiling
    assert [200] == [one.facts_per_step for one in ceiling.sizes]
    assert list(STAGES) == [one.stage for one in document.backlog.stages]
    assert all(one.microseconds > 0 for one in document.backlog.stages)

    (latency,) = document.latency
    assert 0 <= latency.p50_ms.median <= latency.p99_ms.median <= latency.maximum_ms.median
    assert 0 <= latency.passed_through_p50_ms.median <= latency.passed_through_p99_ms.median

    assert document.hot is not None
    check_throughput(document.hot.throughput)
    assert (500, 500) == (document.hot.units, document.hot.units_sold)
    assert 2_000 == document.hot.throughput.changes
    assert "- latency: " in ended.stderr
    assert f"Again: {document.conditions.command}" in ended.stderr


def check_throughput(throughput: Throughput) -> None:
    """See that its figures fit each other, however fast this machine is at the moment.

    It has one run: where that is above a ceiling, nothing of it is a figure.
    """
    assert throughput.step_ceiling is not None
    assert throughput.transaction_ceiling is not None
    ceilings = (throughput.step_ceiling, throughput.transaction_ceiling)
    assert all(one.facts_per_second.median > 0 for one in ceilings)
    rate, processes = throughput.facts_per_second, throughput.processor_microseconds
    if throughput.invalid_runs:
        assert (1, None, {}) == (throughput.invalid_runs, rate, processes)
        assert [None, None] == [one.ratio for one in ceilings]
    else:
        assert rate is not None
        assert 0 < rate.minimum <= rate.median <= rate.maximum
        assert all(one.ratio is not None and one.ratio.median <= 1 for one in ceilings)
        assert {"broker", "redis", "reader", "worker 1"} == processes.keys()
    assert throughput.changes <= throughput.records
    assert 1 <= throughput.facts_per_step <= 300
    assert 1 <= throughput.events_per_fact <= 10
