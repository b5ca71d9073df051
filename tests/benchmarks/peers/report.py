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
        measured = one.measured
        if one.contender.name == "worker" and isinstance(measured, Measured) and measured.rates:
            return median(measured.rates)
    return None


def _row(result: Result, reference: float | None) -> tuple[str, ...]:
    measured = result.measured
    if isinstance(measured, Failed):
        return (result.contender.name, "", "did not finish", "", "", "")
    killed = verdict_text(measured.killed)
    if measured.killed is not None:
        killed += f" (killed {measured.kills} times)"
    return (
        result.contender.name,
        f"{measured.facts:,}",
        three(measured.rates, "{:,.0f}"),
        ratios(reference, measured.rates),
        verdict_text(measured.undisturbed),
        killed,
    )


def three(values: Sequence[float], form: str) -> str:
    """Return minimum, median and maximum; nothing where nothing was measured."""
    if not values:
        return ""
    return " / ".join(form.format(one) for one in (min(values), median(values), max(values)))


def ratios(reference: float | None, rates: Sequence[float]) -> str:
    """Return how often each rate goes into the worker's median."""
    return "" if reference is None else three([reference / one for one in rates], "{:.1f}")


def verdict_text(verdict: Verdict | None) -> str:
    """Return ``right``, or which laws are violated how often; and which were never asked."""
    if verdict is None:
        return "not tried"
    wrong = [f"{one.law} ({one.violations:,})" for one in verdict.laws if one.violations]
    unasked = [str(one.law) for one in verdict.laws if not one.checked]
    text = "wrong: " + ", ".join(wrong) if wrong else "right"
    return text + f"; not asked: {', '.join(unasked)}" if unasked else text


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
            lines += [
                f"{name}, {how}: {law.law}: {law.examples[0]}" for law in laws if law.examples
            ]
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
        "undisturbed": _verdict_json(measured.undisturbed),
        "kills": measured.kills,
        "killed": _verdict_json(measured.killed),
    }


def _verdict_json(verdict: Verdict | None) -> dict[str, object] | None:
    return None if verdict is None else {"holds": verdict.holds, **asdict(verdict)}
