"""The regular question: an idle worker must notice as soon as a busy one that nobody answers."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event

from reservation_worker.ports import Unavailable
from reservation_worker.telemetry.dependencies import QUESTION, Dependencies
from reservation_worker.telemetry.labels import Dependency


@dataclass(frozen=True, slots=True)
class RegularQuestion:
    """Asks one dependency something cheap, by a client of its own, in a thread of its own."""

    dependency: Dependency
    ask: Callable[[], object]
    """Raises an outage; what it returns is of no interest."""
    interval_ms: int
    dependencies: Dependencies

    def run(self, ended: Event) -> None:
        """Ask until the process ends."""
        while not ended.is_set():
            self.ask_once()
            ended.wait(self.interval_ms / 1000)

    def ask_once(self) -> None:
        """Ask, and tell what came of it."""
        self.dependencies.asks(self.dependency)
        try:
            self.ask()
        except Unavailable as error:
            self.dependencies.lost(self.dependency, QUESTION, error.reason, str(error))
        else:
            self.dependencies.heard(self.dependency, QUESTION)
