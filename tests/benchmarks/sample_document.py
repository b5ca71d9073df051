"""A document in which everything was measured, with figures that nobody has measured."""

from reservation_worker.benchmark.figures import (
    Backlog,
    Clustered,
    Conditions,
    Deadlines,
    Document,
    Grown,
    Hot,
    Large,
    Latency,
    Rebuilt,
    Spread,
    StageCost,
    StepCeiling,
    StepSize,
    Throughput,
    TransactionCeiling,
    Verified,
    WorkersRate,
)

CONDITIONS = Conditions(
    at="2026-01-01T00:00:00+00:00",
    command="reservation-worker bench",
    cores=2,
    processor="a processor",
    servers="embedded",
    versions={"Kafka": "4.4.0"},
    append_fsync="everysec",
    rebalancing="cooperative",
    shards_total=16,
    input_partitions=6,
    records_per_poll_max=2_000,
    facts_per_step_max=300,
    lines_per_step_max=3_000,
    records_per_transaction_max=10_000,
    seed=1,
    runs=3,
    warm_ups=1,
    mix="a mix",
)


def around(median: float) -> Spread:
    """Return a spread with this middle."""
    return Spread(median / 2, median, median * 2)


def throughput(median: float) -> Throughput:
    """Return a backlog's figures with this middle."""
    return Throughput(
        accounts=8,
        records=46_000,
        changes=45_000,
        facts_per_second=around(median),
        facts_per_step=240.0,
        events_per_fact=2.3,
        events_per_transaction=5_000.0,
        processor_microseconds={"broker": 30.0, "worker 1": 60.0},
        step_ceiling=StepCeiling(
            facts_per_second=around(median * 2),
            ratio=around(0.5),
            facts_per_step=240.0,
            longest_step_ms=12.5,
            sizes=[StepSize(50, 19_000.0, 2.5), StepSize(1_000, 18_000.0, None)],
        ),
        transaction_ceiling=TransactionCeiling(around(median * 4), around(0.25)),
    )


def whole_document() -> Document:
    """Return everything."""
    return Document(
        conditions=CONDITIONS,
        ratio_to_lua_ceiling=0.5,
        backlog=Backlog(throughput(10_000.0), [StageCost("decode", 12.0), StageCost("pack", 3.0)]),
        latency=[
            Latency(
                facts_per_second=rate,
                seconds=8,
                accounts=8,
                p50_ms=around(20.0),
                p99_ms=around(60.0),
                maximum_ms=around(90.0),
                passed_through_p50_ms=around(10.0),
                passed_through_p99_ms=around(30.0),
                ratio_p99=around(2.0),
            )
            for rate in (500, 2_000)
        ],
        hot=Hot(throughput(12_000.0), 10_000, 10_000),
        large=Large(throughput(500.0), 50, 25_000.0),
        accounts=throughput(9_000.0),
        growth=[
            Grown(10_000, around(10_000.0), Spread(1.0, 1.0, 1.0), 260.0),
            Grown(10**6, around(9_000.0), around(0.9), 259.0),
        ],
        deadlines=Deadlines(50_000, 7.5, 11.0, 500, 120.0, 80.0),
        workers=[
            WorkersRate(1, around(10_000.0), Spread(1.0, 1.0, 1.0)),
            WorkersRate(2, around(15_000.0), around(1.5)),
        ],
        cluster=Clustered(3, around(7_000.0), around(10_000.0), around(0.7)),
        rebuild=Rebuilt(100_000, around(4.0), around(25_000.0), 150),
        verify=Verified(100_000, 300, around(16.0), around(6_250.0), 120),
    )
