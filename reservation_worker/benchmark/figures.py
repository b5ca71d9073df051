"""Figures of several runs as one, and what a run's document is made of."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

DIGITS = 4
"""Significant ones: more would pretend."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The least, the middle and the greatest of some runs."""

    minimum: float
    median: float
    maximum: float


def spread(values: Sequence[float]) -> Spread:
    """Return what several runs have in common; at least one."""
    return Spread(rounded(min(values)), rounded(statistics.median(values)), rounded(max(values)))


def rounded(value: float) -> float:
    """Return a figure with as many digits as it may claim."""
    return float(f"{value:.{DIGITS}g}")


def ratio(measured: Sequence[float], beside: Sequence[float]) -> Spread:
    """Return what each run is as a part of the run that took its turn beside it.

    A machine that others use too is faster in one minute than in the next: only what was measured
    in the same minute can be compared.
    """
    return spread([one / other for one, other in zip(measured, beside, strict=True)])


def valid_runs(measured: Sequence[float], *ceilings: Sequence[float]) -> list[int]:
    """Return the numbers of the runs that do not exceed what their servers did alone beside them.

    One that does is not fast: it, or what it is held against, was disturbed.
    """
    return [
        number
        for number, one in enumerate(measured)
        if all(one <= ceiling[number] for ceiling in ceilings)
    ]


def reached(
    measured: Sequence[float], ceiling: Sequence[float], valid: Sequence[int]
) -> Spread | None:
    """Return what valid runs reach of a ceiling; None: none is valid."""
    if not valid:
        return None
    return ratio([measured[one] for one in valid], [ceiling[one] for one in valid])


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value that so many of a hundred do not exceed."""
    return statistics.quantiles(values, n=100)[percent - 1]


@dataclass(frozen=True, slots=True)
class Conditions:
    """Under which everything else was measured."""

    at: str
    """When it began, UTC."""
    command: str
    """Repeats it."""
    cores: int
    processor: str
    servers: str
    """``embedded``: on this machine, which they share with worker, sender and reader."""
    versions: Mapping[str, str]
    append_fsync: str
    rebalancing: str
    shards_total: int
    input_partitions: int
    records_per_poll_max: int
    facts_per_step_max: int
    lines_per_step_max: int
    records_per_transaction_max: int
    seed: int
    runs: int
    warm_ups: int
    mix: str


@dataclass(frozen=True, slots=True)
class StepSize:
    """The step script alone, at one size of steps."""

    facts_per_step: int
    facts_per_second: float
    longest_step_ms: float | None
    """As the server timed it; None: it is not the benchmark's to ask."""


@dataclass(frozen=True, slots=True)
class StepCeiling:
    """The step script alone: one client sends packed steps, and nothing else happens."""

    facts_per_second: Spread
    ratio: Spread | None
    """What the worker reaches of it, run by run; None: no run is valid."""
    facts_per_step: float
    longest_step_ms: float | None
    sizes: Sequence[StepSize] = ()


@dataclass(frozen=True, slots=True)
class TransactionCeiling:
    """Kafka alone: the same records read, as many written, in transactions of the same size."""

    facts_per_second: Spread
    ratio: Spread | None
    """What the worker reaches of it, run by run; None: no run is valid."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """A backlog, through one worker process unless told otherwise."""

    accounts: int
    records: int
    """Of one run's backlog."""
    changes: int
    """That one run's backlog made: what is counted as facts."""
    facts_per_second: Spread | None
    """Of the valid runs; None: there is none."""
    facts_per_step: float
    events_per_fact: float
    events_per_transaction: float
    processor_microseconds: Mapping[str, float]
    """Per fact, by process; empty where servers are not the benchmark's own."""
    step_ceiling: StepCeiling | None = None
    transaction_ceiling: TransactionCeiling | None = None
    invalid_runs: int = 0
    """Above one of their ceilings: they are in no figure."""


@dataclass(frozen=True, slots=True)
class StageCost:
    """One stage of a fact's way, on the production function, in one thread, alone."""

    stage: str
    microseconds: float
    """Per fact."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """The full-domain mix."""

    throughput: Throughput
    stages: Sequence[StageCost]


@dataclass(frozen=True, slots=True)
class Latency:
    """From a record's being appended to its change's being appended, at one rate."""

    facts_per_second: int
    seconds: int
    accounts: int
    p50_ms: Spread
    p99_ms: Spread
    maximum_ms: Spread
    passed_through_p50_ms: Spread
    """Of records that are only read and written, with the same settings of the clients."""
    passed_through_p99_ms: Spread
    ratio_p99: Spread
    """The worker's p99 as a multiple of that, run by run."""


@dataclass(frozen=True, slots=True)
class Hot:
    """Every order wants one stock."""

    throughput: Throughput
    units: int
    units_sold: int
    """In every run; another number would be an error."""


@dataclass(frozen=True, slots=True)
class Large:
    """Orders of many lines."""

    throughput: Throughput
    lines_per_order: int
    lines_per_second: float | None
    """None: no run is valid."""


@dataclass(frozen=True, slots=True)
class Grown:
    """A backlog beside so many live reservations."""

    live: int
    facts_per_second: Spread
    ratio: Spread
    """Of what it is beside the fewest, run by run."""
    bytes_per_reservation: float
    """Of Redis' memory, for one of two lines."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Very many deadlines that pass at one moment, with live traffic beside them."""

    deadlines: int
    seconds: float
    """From the moment when they were due to the last one's being appended."""
    longest_step_ms: float
    live_facts_per_second: int
    p99_ms_beside: float
    p99_ms_without: float


@dataclass(frozen=True, slots=True)
class WorkersRate:
    """A backlog through so many worker processes."""

    workers: int
    facts_per_second: Spread
    ratio: Spread
    """Of what the first number of workers reaches, run by run."""


@dataclass(frozen=True, slots=True)
class Clustered:
    """A backlog on a Valkey Cluster, and on a single Valkey."""

    primaries: int
    facts_per_second: Spread
    single_facts_per_second: Spread
    ratio: Spread


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """From the loss of everything to the last shard's being whole."""

    live: int
    seconds: Spread
    reservations_per_second: Spread
    worker_peak_megabytes: int


@dataclass(frozen=True, slots=True)
class Verified:
    """One pass of ``verify`` over everything."""

    live: int
    live_facts_per_second: int
    """Of traffic meanwhile; 0: none."""
    seconds: Spread
    reservations_per_second: Spread
    peak_megabytes: int


@dataclass(frozen=True, slots=True)
class Document:
    """Everything that one call has measured; what was not asked for is absent."""

    conditions: Conditions
    ratio_to_lua_ceiling: float | None = None
    """Of the backlog: the one figure to compare between machines and releases."""
    backlog: Backlog | None = None
    latency: Sequence[Latency] = ()
    hot: Hot | None = None
    large: Large | None = None
    accounts: Throughput | None = None
    growth: Sequence[Grown] = ()
    deadlines: Deadlines | None = None
    workers: Sequence[WorkersRate] = ()
    cluster: Clustered | None = None
    rebuild: Rebuilt | None = None
    verify: Verified | None = None
