"""How the day and the verdict look: live on a terminal, plain lines elsewhere."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from reservation_worker.audit.verdict import LawVerdict, Verdict
from reservation_worker.demo.tally import Tally
from reservation_worker.domain.reservation import Status

PLAIN_INTERVAL_MS = 5_000
"""Without a terminal a line of progress is written so often."""
VIOLATIONS_SHOWN_MAX = 5
"""Of each law; ``--json`` has more."""


class Show:
    """The progress of the day on stderr."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, transient=True, refresh_per_second=8)
        self._plain_at_ms = 0

    def __enter__(self) -> Self:
        """Begin to draw, if there is a terminal."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was."""
        self._live.stop()

    def say(self, line: str) -> None:
        """Write a line that stays."""
        self._console.print(Text(f"  {line}", style="dim"), soft_wrap=True)

    def chapter(self, title: str) -> None:
        """Begin a part of the day."""
        self._console.print(Text(f"- {title}", style="bold"), soft_wrap=True)

    def fault(self, line: str) -> None:
        """Tell that a machine breaks or comes back."""
        self._console.print(Text(f"! {line}", style="bold yellow"), soft_wrap=True)

    def progress(self, at_ms: int, records_sent: int, tally: Tally) -> None:
        """Show how far the day is."""
        counts = (
            f"{records_sent} records sent, {tally.changes} changes and {tally.events} events "
            f"published, {tally.refusals} refusals, {tally.conflicts} conflicts, "
            f"{tally.dead_letters} dead letters"
        )
        statuses = ", ".join(
            f"{tally.statuses[status]} {status}" for status in Status if status in tally.statuses
        )
        clock = f"{at_ms / 1000:5.1f} s"
        if self._console.is_terminal:
            lines = (Text(f"{clock}  {counts}"), Text(f"         {statuses}", style="cyan"))
            self._live.update(Group(*lines))
        elif at_ms - self._plain_at_ms >= PLAIN_INTERVAL_MS:
            self._plain_at_ms = at_ms
            self._console.print(Text(f"{clock}  {counts}; {statuses}"), soft_wrap=True)


def show_verdict(verdict: Verdict, console: Console) -> None:
    """Write the verdict law by law, with what it was made of and what went wrong."""
    table = Table(title="The auditor's verdict, from the topics alone", title_justify="left")
    table.add_column("law", no_wrap=True)
    table.add_column("says")
    table.add_column("checks", justify="right")
    table.add_column("violations", justify="right")
    table.add_column("made of")
    for law in verdict.laws:
        style = "green" if law.holds else "bold red"
        counts = "\n".join(f"{number} {name}" for name, number in law.counts)
        table.add_row(
            Text(law.law.value, style=style),
            Text(law.title),
            Text(str(law.checked)),
            Text(str(law.violations), style=style),
            Text(counts or "never checked", style="dim"),
            end_section=True,
        )
    console.print(table)
    for law in verdict.laws:
        _show_violations(law, console)
    if verdict.holds:
        console.print(
            Text("Every law was checked, and none is violated.", style="bold green"), soft_wrap=True
        )
    else:
        broken = ", ".join(law.law.value for law in verdict.laws if not law.holds)
        console.print(
            Text(f"Violated or never checked: {broken}", style="bold red"), soft_wrap=True
        )


def _show_violations(law: LawVerdict, console: Console) -> None:
    shown: Sequence[str] = law.examples[:VIOLATIONS_SHOWN_MAX]
    if not shown:
        return
    console.print(
        Text(f"{law.law.value} {law.title}: {law.violations} violations", style="red"),
        soft_wrap=True,
    )
    for sentence in shown:
        console.print(Text(f"  {sentence}"), soft_wrap=True)
    if law.violations > len(shown):
        console.print(
            Text(f"  and {law.violations - len(shown)} more", style="dim"), soft_wrap=True
        )
