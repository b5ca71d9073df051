"""A document as plots, drawn by matplotlib, which the extra `bench` brings."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from reservation_worker.benchmark.figures import Document
from reservation_worker.benchmark.tables import throughputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_INCHES, HEIGHT_INCHES = 8.0, 4.5
BAR = 0.27
RANDOM_NAME = re.compile(r"\bp[0-9a-f]{10}\b")
"""Of a clip path: made of an address in memory."""
METADATA: Mapping[str, None] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
"""Left out of SVG files: the same figures give the same bytes."""


class PlotsNotInstalled(Exception):
    """The package that draws is missing."""

    def __init__(self) -> None:
        super().__init__(
            "The package matplotlib is not installed. "
            "Install the extra that brings it: pip install 'reservation-worker[bench]'"
        )


def check_installed() -> None:
    """See that plots can be drawn.

    Raises:
        PlotsNotInstalled: they cannot.
    """
    if find_spec("matplotlib") is None:
        raise PlotsNotInstalled


def draw(document: Document, directory: Path, formats: Sequence[str]) -> list[str]:
    """Write each plot that has something to show, in each format; return their names.

    Raises:
        PlotsNotInstalled: matplotlib is missing.
    """
    check_installed()
    import matplotlib as mpl  # noqa: PLC0415 -- of an extra, and slow
    from matplotlib.figure import Figure  # noqa: PLC0415

    directory.mkdir(parents=True, exist_ok=True)
    drawn = []
    with mpl.rc_context({"svg.hashsalt": "reservation-worker", "svg.fonttype": "none"}):
        for name, plot in _wanted(document):
            figure = Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES), layout="tight")
            plot(document, figure.add_subplot())
            for one in formats:
                path = directory / f"{name}.{one}"
                figure.savefig(path, metadata=METADATA if one == "svg" else None)
                if one == "svg":
                    _tidy(path)
            drawn.append(name)
    return drawn


def _tidy(path: Path) -> None:
    """Number what matplotlib names at random, and cut the spaces at the ends of lines."""
    text = path.read_text("utf-8")
    for number, name in enumerate(dict.fromkeys(RANDOM_NAME.findall(text)), 1):
        text = text.replace(name, f"clip-{number}")
    path.write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n", "utf-8")


def _wanted(document: Document) -> Iterator[tuple[str, Callable[[Document, "Axes"], None]]]:
    if throughputs(document):
        yield "throughput", _draw_throughput
    if document.latency:
        yield "latency", _draw_latency
    if document.growth:
        yield "growth", _draw_growth
    if document.backlog is not None and document.backlog.stages:
        yield "stages", _draw_stages
    if document.workers:
        yield "workers", _draw_workers


def _draw_throughput(document: Document, axes: "Axes") -> None:
    found = throughputs(document)
    places = range(len(found))
    bars = {
        "worker": [
            one.facts_per_second.median if one.facts_per_second else 0.0 for one in found.values()
        ],
        "steps alone": [
            one.step_ceiling.facts_per_second.median if one.step_ceiling else 0.0
            for one in found.values()
        ],
        "transactions alone": [
            one.transaction_ceiling.facts_per_second.median if one.transaction_ceiling else 0.0
            for one in found.values()
        ],
    }
    for index, (label, heights) in enumerate(bars.items()):
        drawn = axes.bar([place + (index - 1) * BAR for place in places], heights, BAR, label=label)
        axes.bar_label(drawn, fmt="{:,.0f}", fontsize=7)
    axes.set_xticks(list(places), list(found))
    _finish(axes, "Throughput of a backlog, median", "", "facts per second")


def _draw_latency(document: Document, axes: "Axes") -> None:
    places = range(len(document.latency))
    bars = {
        "worker, p50": [one.p50_ms.median for one in document.latency],
        "worker, p99": [one.p99_ms.median for one in document.latency],
        "transactions alone, p50": [one.passed_through_p50_ms.median for one in document.latency],
        "transactions alone, p99": [one.passed_through_p99_ms.median for one in document.latency],
    }
    width = 1 / (len(bars) + 1)
    for index, (label, heights) in enumerate(bars.items()):
        drawn = axes.bar(
            [place + (index - 1.5) * width for place in places], heights, width, label=label
        )
        axes.bar_label(drawn, fmt="{:.0f}", fontsize=7)
    axes.set_xticks(list(places), [f"{one.facts_per_second:,}" for one in document.latency])
    _finish(axes, "Latency of a fact, median", "facts per second offered", "ms")


def _draw_growth(document: Document, axes: "Axes") -> None:
    live = [one.live for one in document.growth]
    rates = [one.facts_per_second for one in document.growth]
    axes.plot(live, [one.median for one in rates], marker="o", label="median")
    axes.fill_between(
        live,
        [one.minimum for one in rates],
        [one.maximum for one in rates],
        alpha=0.2,
        label="minimum to maximum",
    )
    axes.set_xscale("log")
    _finish(axes, "A backlog beside live reservations", "live reservations", "facts per second")


def _draw_stages(document: Document, axes: "Axes") -> None:
    assert document.backlog is not None
    left = 0.0
    for one in document.backlog.stages:
        label = f"{one.stage}, {one.microseconds:.3g}"
        axes.barh([""], [one.microseconds], left=left, label=label)
        left += one.microseconds
    _finish(axes, f"Where a fact's {left:.0f} µs go: each stage alone, in one thread", "µs", "")
    axes.set_ylim(-0.5, 2.0)


def _draw_workers(document: Document, axes: "Axes") -> None:
    names = [str(one.workers) for one in document.workers]
    medians = [one.facts_per_second.median for one in document.workers]
    below = [
        middle - one.facts_per_second.minimum
        for middle, one in zip(medians, document.workers, strict=True)
    ]
    above = [
        one.facts_per_second.maximum - middle
        for middle, one in zip(medians, document.workers, strict=True)
    ]
    drawn = axes.bar(names, medians, 0.5, yerr=[below, above], capsize=4, label="median")
    axes.bar_label(drawn, fmt="{:,.0f}", fontsize=7)
    _finish(axes, "A backlog through several workers", "worker processes", "facts per second")


def _finish(axes: "Axes", title: str, across: str, up: str) -> None:
    axes.set_title(title)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=7)
