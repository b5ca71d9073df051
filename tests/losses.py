"""The table of all ways of losing what Redis has, from the tests that try them: `make losses`."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import pytest
from _pytest.terminal import TerminalReporter

PROPERTY = "loss"
"""Under this name a test reports its row, which reaches the process that prints the table."""
HEADINGS = ("way of losing", "events", "lost", "doubled", "oversold", "flows again")


@dataclass(frozen=True, slots=True)
class Row:
    """What one way of losing cost, as a `read_committed` reader and the auditor saw it."""

    way: str
    events: int
    """Published before, meanwhile and after."""
    lost: int
    """Inputs without their one outcome."""
    doubled: int
    """Changes published twice, or out of order."""
    oversold: int
    flows_again_ms: int
    """From the loss until an order of each shop that was sent after it came out."""

    def cells(self) -> tuple[str, ...]:
        """Return it as text."""
        numbers = (self.events, self.lost, self.doubled, self.oversold)
        return (self.way, *map(str, numbers), f"{self.flows_again_ms / 1000:.1f} s")


def property_of(row: Row) -> tuple[str, dict[str, str | int]]:
    """Return what a test reports: its parts survive the way from one process to another."""
    return PROPERTY, asdict(row)


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Print the table, if any of its tests ran."""
    rows = sorted(_rows(terminalreporter), key=lambda row: row.way)
    if not rows:
        return
    table = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    terminalreporter.section("Ways of losing what Redis has")
    for first, *others in table:
        cells = [text.rjust(width) for text, width in zip(others, widths[1:], strict=True)]
        terminalreporter.write_line("  ".join([first.ljust(widths[0]), *cells]))


def _rows(terminalreporter: TerminalReporter) -> Iterator[Row]:
    for category in ("passed", "failed"):
        for report in terminalreporter.getreports(category):
            assert isinstance(report, pytest.TestReport)
            if report.when == "call":
                for name, value in report.user_properties:
                    if name == PROPERTY:
                        yield Row(**value)  # type: ignore[arg-type]  # made by `property_of`
