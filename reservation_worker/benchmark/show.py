"""How far it is, on stderr: a bar on a terminal, lines elsewhere."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text


class Show:
    """The progress of a benchmark."""

    def __init__(self, console: Console, scenarios_total: int) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=scenarios_total)

    def __enter__(self) -> Self:
        """Begin to draw, if there is a terminal."""
        self._progress.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was."""
        self._progress.stop()

    def chapter(self, name: str, title: str) -> None:
        """Begin a scenario."""
        self._progress.update(self._task, description=name)
        self._console.print(Text(f"- {name}: {title}", style="bold"), soft_wrap=True)

    def done(self) -> None:
        """End a scenario."""
        self._progress.advance(self._task)

    def say(self, line: str) -> None:
        """Write a line that stays."""
        self._console.print(Text(f"  {line}", style="dim"), soft_wrap=True)
