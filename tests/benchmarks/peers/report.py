"""Says what was measured: as a table, or as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

from reservation_worker.audit.verdict import LawVerdict, Verdict
from tests.benchmarks.peers.contenders import Contender
from tests.benchmarks.peers.measuring import Measured, Plan

COLUMNS = (
    "contender",
    "facts of a run",
    "facts/s, min / median / max",
    "worker's median : this",
    "undisturbed",
    "killed",
)


@dataclass(frozen=True, slots=True)
class Failed:
    """A contender that came to no end."""

    why: str


@dataclass(frozen=True, slots=True)
class Result:
    """One contender and what it did."""

    contender: Contender
    measured: Measured | Failed


def table(results: Sequence[Result], *, markdown: bool) -> str:
    """Return one line for each contender, and below them the violations that are named first."""
    rows = [COLUMNS, *(_row(one, worker_median(results)) for one in results)]
    if markdown:
        rows.insert(1, tuple("---" for _ in COLUMNS))
        lines = ["| " + " | ".join(row) + " |" for row in rows]
    else:
        widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
    return "\n".join([*lines, "", *_examples(results)])


def worker_median(results: Sequence[Result]) -> float | None:
    """Return the worker's median rate; None if it was not measured."""
    for one in results:
        if one.contender.name == "worker" and isinstance(one.measured, Measured):
            return median(one.measured.rates)
    return None


def _row(result: Result, reference: float | None) -> tuple[str, ...]:
    measured = result.measured
    if isinstance(measured, Failed):
        return (result.contender.name, "", "did not finish", "", "", "")
    rates = measured.rates
    three = " / ".join(f"{one:,.0f}" for one in (min(rates), median(rates), max(rates)))
    ratios = "" if reference is None else _ratios(reference, rates)
    killed = "not tried"
    if measured.killed is not None:
        killed = f"{verdict_text(measured.killed)} (killed {measured.kills} times)"
    return (
        result.contender.name,
        f"{measured.facts:,}",
        three,
        ratios,
        verdict_text(measured.undisturbed),
        killed,
    )


def _ratios(reference: float, rates: Sequence[float]) -> str:
    ratios = [reference / one for one in (max(rates), median(rates), min(rates))]
    return " / ".join(f"{one:.1f}" for one in ratios)


def verdict_text(verdict: Verdict) -> str:
    """Return ``right``, or which laws are violated how often."""
    wrong = [f"{one.law} ×{one.violations:,}" for one in verdict.laws if not one.holds]
    return "wrong: " + ", ".join(wrong) if wrong else "right"


def _examples(results: Sequence[Result]) -> list[str]:
    lines: list[str] = []
    for one in results:
        measured, name = one.measured, one.contender.name
        if isinstance(measured, Failed):
            lines.append(f"{name}: {measured.why}")
            continue
        verdicts = {"undisturbed": measured.undisturbed, "killed": measured.killed}
        for how, verdict in verdicts.items():
            laws: Sequence[LawVerdict] = () if verdict is None else verdict.laws
            lines += [f"{name}, {how}: {law.law}: {law.examples[0]}" for law in laws if law.examples]
    return lines


def as_json(results: Sequence[Result], plan: Plan, cores: int) -> dict[str, object]:
    """Return everything, for `json.dumps`."""
    return {
        "cores": cores,
        "plan": asdict(plan),
        "contenders": [
            {"name": one.contender.name, "what": one.contender.what, **_measured_json(one.measured)}
            for one in results
        ],
    }


def _measured_json(measured: Measured | Failed) -> dict[str, object]:
    if isinstance(measured, Failed):
        return {"failed": measured.why}
    return {
        "orders": measured.orders,
        "facts": measured.facts,
        "facts_per_second": [round(one, 1) for one in measured.rates],
        "undisturbed": asdict(measured.undisturbed) | {"holds": measured.undisturbed.holds},
        "kills": measured.kills,
        "killed": measured.killed
        and asdict(measured.killed) | {"holds": measured.killed.holds},
    }
