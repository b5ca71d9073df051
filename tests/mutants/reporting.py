"""The table of mutants, in the page that says how each guarantee is proven."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.mutants.planting import ROOT, Mutant
from tests.mutants.running import Verdict

PAGE: Final = ROOT / "docs" / "guarantees.md"
BEGIN: Final = "<!-- mutants: written by `make mutants ARGS=--report` -->"
END: Final = "<!-- mutants: end -->"


def table(mutants: tuple[Mutant, ...], verdicts: Mapping[str, Verdict]) -> str:
    """Return what was tried, as Markdown."""
    rows = [
        "| mutant | what it breaks | guarantee | tests run | killed by |",
        "|---|---|---|---|---|",
    ]
    rows += [
        f"| `{one.name}` | {one.breaks} | {one.guarantee} | {_tests(one)} | "
        f"{_cell(verdicts[one.name].text)} |"
        for one in mutants
    ]
    return "\n".join(rows)


def summary(verdicts: Mapping[str, Verdict]) -> str:
    """Return how many there were, and how many lived."""
    problems = sum(bool(one.problem) for one in verdicts.values())
    survived = sum(not (one.problem or one.killed_by) for one in verdicts.values())
    return (
        f"{len(verdicts)} planted bugs: {len(verdicts) - problems - survived} turned a test red, "
        f"{survived} survived, {problems} could not be tried."
    )


def write_report(
    mutants: tuple[Mutant, ...], verdicts: Mapping[str, Verdict], page: Path = PAGE
) -> None:
    """Replace the table in the page."""
    before, _, rest = page.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    text = f"{BEGIN}\n\n{summary(verdicts)}\n\n{table(mutants, verdicts)}\n\n{END}"
    page.write_text(f"{before}{text}{after}", "utf-8")


def names_reported(page: Path = PAGE) -> list[str]:
    """Return the mutants that the page's table has, in its order."""
    _, _, rest = page.read_text("utf-8").partition(BEGIN)
    shown, _, _ = rest.partition(END)
    rows = [line for line in shown.splitlines() if line.startswith("| `")]
    return [row.split("`")[1] for row in rows]


def _tests(mutant: Mutant) -> str:
    return ", ".join(f"`{test.removeprefix('tests/')}`" for test in mutant.tests)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").splitlines()[0].rstrip("*") + ("**" if "**" in text else "")
