"""A document as tables: for a terminal, and as the Markdown of a page."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from reservation_worker.benchmark.figures import Document, Spread, Throughput

Row = tuple[str, ...]
INVALID = "invalid"
"""What is above what its servers do alone was not measured, whatever the figure."""
INTRODUCTION = (
    "Written by `make bench`; nobody edits it. How to read it: "
    "[benchmarking.md](../benchmarking.md)."
)


@dataclass(frozen=True, slots=True)
class Section:
    """One table, and what its figures are."""

    title: str
    headings: Row
    rows: Sequence[Row]
    plot: str | None = None
    """The name of the plot that shows the same."""


def sections(document: Document) -> list[Section]:
    """Return what was measured; what was not is left out."""
    found = [
        _throughput(document),
        _sizes(document),
        _processor_time(document),
        _stages(document),
        _step_sizes(document),
        _latency(document),
        _growth(document),
        _workers(document),
        _cluster(document),
        _deadlines(document),
        _restoring(document),
    ]
    return [one for one in found if one.rows]


def conditions(document: Document) -> list[Row]:
    """Return under which conditions, as names and values."""
    values = asdict(document.conditions)
    versions = values.pop("versions")
    rows = [(name.replace("_", " "), str(value)) for name, value in values.items()]
    return [*rows, ("versions", ", ".join(f"{name} {one}" for name, one in versions.items()))]


def markdown(document: Document, plots: Sequence[str]) -> str:
    """Return the page; it shows these plots, which stand beside it."""
    lines = [
        "# What the benchmark measured last",
        "",
        INTRODUCTION,
        "",
    ]
    if document.ratio_to_lua_ceiling is not None:
        ratio = document.ratio_to_lua_ceiling
        lines += [f"Ratio to the step script alone: **{ratio}**", ""]
    for section in sections(document):
        lines += [f"## {section.title}", "", *_markdown_table(section.headings, section.rows), ""]
        if section.plot in plots:
            lines += [f"![{section.title}]({section.plot}.svg)", ""]
    lines += ["## Conditions", "", *_markdown_table(("what", ""), conditions(document))]
    return "\n".join(lines) + "\n"


def _markdown_table(headings: Row, rows: Sequence[Row]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield "|" + "---|" * len(headings)
    for row in rows:
        yield f"| {' | '.join(row)} |".replace("|  |", "| |")


def throughputs(document: Document) -> dict[str, Throughput]:
    """Return every backlog that went through one worker, by scenario."""
    found = {
        "backlog": None if document.backlog is None else document.backlog.throughput,
        "hot": None if document.hot is None else document.hot.throughput,
        "large": None if document.large is None else document.large.throughput,
        "accounts": document.accounts,
    }
    return {name: one for name, one in found.items() if one is not None}


def _throughput(document: Document) -> Section:
    rows = []
    for name, one in throughputs(document).items():
        step, transaction = one.step_ceiling, one.transaction_ceiling
        rows.append(
            (
                f"{name}, {one.invalid_runs} invalid" if one.invalid_runs else name,
                _spread(one.facts_per_second),
                "" if step is None else _spread(step.facts_per_second),
                "" if step is None else _spread(step.ratio),
                "" if transaction is None else _spread(transaction.facts_per_second),
                "" if transaction is None else _spread(transaction.ratio),
            )
        )
    return Section(
        "Facts per second of a backlog, minimum / median / maximum",
        ("scenario", "worker", "steps alone", "ratio", "transactions alone", "ratio"),
        rows,
        "throughput",
    )


def _sizes(document: Document) -> Section:
    return Section(
        "What these backlogs were",
        (
            *("scenario", "accounts", "facts", "facts per step", "events per fact"),
            *("events per transaction", "besides"),
        ),
        [
            (
                name,
                _count(one.accounts),
                _count(one.changes),
                _number(one.facts_per_step),
                _number(one.events_per_fact),
                _number(one.events_per_transaction),
                _besides(document, name),
            )
            for name, one in throughputs(document).items()
        ],
    )


def _besides(document: Document, name: str) -> str:
    if name == "hot" and document.hot is not None:
        return f"{_count(document.hot.units_sold)} of {_count(document.hot.units)} units sold"
    if name == "large" and document.large is not None:
        large = document.large
        per_second = large.lines_per_second
        told = INVALID if per_second is None else _count(round(per_second))
        return f"{large.lines_per_order} lines each, {told} lines per second"
    return ""


def _processor_time(document: Document) -> Section:
    found = throughputs(document)
    names = sorted({name for one in found.values() for name in one.processor_microseconds})
    rows = [
        (scenario, *[_number(one.processor_microseconds.get(name)) for name in names])
        for scenario, one in found.items()
        if one.processor_microseconds
    ]
    return Section("Processor time of a fact, µs, by process", ("scenario", *names), rows)


def _stages(document: Document) -> Section:
    stages = [] if document.backlog is None else document.backlog.stages
    return Section(
        "Where a fact's time goes, µs: each stage alone, in one thread",
        ("stage", "µs"),
        [(one.stage, _number(one.microseconds)) for one in stages],
        "stages",
    )


def _step_sizes(document: Document) -> Section:
    ceiling = None if document.backlog is None else document.backlog.throughput.step_ceiling
    rows = []
    if ceiling is not None:
        rows = [
            (_count(one.facts_per_step), _count(one.facts_per_second), _number(one.longest_step_ms))
            for one in ceiling.sizes
        ]
        used = f"as the worker's, {_number(ceiling.facts_per_step)}"
        median = _count(ceiling.facts_per_second.median)
        rows.append((used, median, _number(ceiling.longest_step_ms)))
    return Section(
        "Steps alone, by size",
        ("facts per step", "facts per second", "longest step, ms"),
        rows,
    )


def _latency(document: Document) -> Section:
    return Section(
        "Latency of a fact, ms, minimum / median / maximum",
        (
            *("facts per second", "p50", "p99", "longest"),
            *("transactions alone, p50", "transactions alone, p99", "ratio of p99"),
        ),
        [
            (
                _count(one.facts_per_second),
                _spread(one.p50_ms),
                _spread(one.p99_ms),
                _spread(one.maximum_ms),
                _spread(one.passed_through_p50_ms),
                _spread(one.passed_through_p99_ms),
                _spread(one.ratio_p99),
            )
            for one in document.latency
        ],
        "latency",
    )


def _growth(document: Document) -> Section:
    return Section(
        "Beside live reservations",
        ("live", "facts per second", "of the first", "bytes of Redis for each"),
        [
            (
                _count(one.live),
                _spread(one.facts_per_second),
                _spread(one.ratio),
                _number(one.bytes_per_reservation),
            )
            for one in document.growth
        ],
        "growth",
    )


def _workers(document: Document) -> Section:
    return Section(
        "Through several workers",
        ("workers", "facts per second", "of one"),
        [
            (_count(one.workers), _spread(one.facts_per_second), _spread(one.ratio))
            for one in document.workers
        ],
        "workers",
    )


def _cluster(document: Document) -> Section:
    one = document.cluster
    rows = []
    if one is not None:
        rows = [
            ("one Valkey", _spread(one.single_facts_per_second), ""),
            (f"{one.primaries} primaries", _spread(one.facts_per_second), _spread(one.ratio)),
        ]
    return Section("On a Valkey Cluster", ("servers", "facts per second", "of a single one"), rows)


def _deadlines(document: Document) -> Section:
    one = document.deadlines
    rows = []
    if one is not None:
        live = f"p99 of {_count(one.live_facts_per_second)} facts per second: "
        beside = f"{_number(one.p99_ms_beside)} ms beside it, "
        rows = [
            (
                _count(one.deadlines),
                _number(one.seconds),
                _number(one.longest_step_ms),
                f"{live}{beside}{_number(one.p99_ms_without)} without",
            )
        ]
    return Section(
        "Deadlines that pass at one moment",
        ("deadlines", "seconds", "longest step, ms", "live traffic"),
        rows,
    )


def _restoring(document: Document) -> Section:
    rows = []
    rebuild, verify = document.rebuild, document.verify
    if rebuild is not None:
        rows.append(
            (
                f"rebuild of {_count(rebuild.live)}",
                _spread(rebuild.seconds),
                _spread(rebuild.reservations_per_second),
                _count(rebuild.worker_peak_megabytes),
            )
        )
    if verify is not None:
        beside = f" beside {_count(verify.live_facts_per_second)} facts per second"
        rows.append(
            (
                f"verify of {_count(verify.live)}{beside if verify.live_facts_per_second else ''}",
                _spread(verify.seconds),
                _spread(verify.reservations_per_second),
                _count(verify.peak_megabytes),
            )
        )
    return Section(
        "Rebuilding and verifying live reservations",
        ("what", "seconds", "reservations per second", "peak MB"),
        rows,
    )


def _spread(one: Spread | None) -> str:
    if one is None:
        return INVALID
    if one.minimum == one.maximum:
        return _number(one.median)
    return f"{_number(one.minimum)} / {_number(one.median)} / {_number(one.maximum)}"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 -- readable
