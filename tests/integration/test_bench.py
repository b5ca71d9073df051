"""The benchmark, small, on servers of its own: what it measures is all there and can be true."""

import msgspec

from reservation_worker.benchmark.figures import Document, Throughput
from tests.cli.command import CommandLine

TIMEOUT_SECONDS = 280
RATIO_MAX = 10.0
"""A worker cannot be faster than its servers; a smoke is too short to be exact about it."""
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
    assert ceiling.ratio.median == document.ratio_to_lua_ceiling
    assert [200] == [one.facts_per_step for one in ceiling.sizes]
    assert list(STAGES) == [one.stage for one in document.backlog.stages]
    assert all(one.microseconds > 0 for one in document.backlog.stages)

    (latency,) = document.latency
    assert 0 < latency.p50_ms.median <= latency.p99_ms.median <= latency.maximum_ms.median
    assert 0 < latency.passed_through_p50_ms.median <= latency.passed_through_p99_ms.median

    assert document.hot is not None
    check_throughput(document.hot.throughput)
    assert (500, 500) == (document.hot.units, document.hot.units_sold)
    assert 2_000 == document.hot.throughput.changes
    assert {"broker", "redis", "reader", "worker 1"} == (
        document.hot.throughput.processor_microseconds.keys()
    )
    assert "- latency: " in ended.stderr
    assert f"Again: {document.conditions.command}" in ended.stderr


def check_throughput(throughput: Throughput) -> None:
    """See that its figures fit each other."""
    assert throughput.step_ceiling is not None
    assert throughput.transaction_ceiling is not None
    rate = throughput.facts_per_second
    assert 0 < rate.minimum <= rate.median <= rate.maximum
    assert 0 < throughput.step_ceiling.ratio.median < RATIO_MAX
    assert 0 < throughput.transaction_ceiling.ratio.median < RATIO_MAX
    assert throughput.changes <= throughput.records
    assert 1 <= throughput.facts_per_step <= 300
    assert 1 <= throughput.events_per_fact <= 10
