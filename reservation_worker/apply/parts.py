"""What an apply loop is built from, and what it tells of itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from reservation_worker.apply.counts_first import CountsFirst
from reservation_worker.contracts.records import DeadLetter, OutputRecord, Record, Rejection
from reservation_worker.domain.facts import InputFact
from reservation_worker.ports import Clock, InputLog, Store, Waypoint
from reservation_worker.telemetry.dependencies import Dependencies
from reservation_worker.telemetry.metrics import Metrics

LOOP: Final = "apply"
"""What the loop is called where it says that it misses something."""


@dataclass(frozen=True, slots=True)
class ApplyParts:
    """What an apply loop is built from; it alone uses ``log``."""

    log: InputLog[Record, DeadLetter]
    store: Store[OutputRecord]
    counts_topic: str
    topics: frozenset[str]
    """All that are read, that of the counts among them."""
    counts_first: CountsFirst
    decode: Callable[[Record, int], InputFact | Rejection]
    """Given now in milliseconds since the epoch as well."""
    dead_letter: Callable[[Record, Rejection, int], DeadLetter]
    """Given the time of failure in milliseconds since the epoch as well."""
    clock: Clock
    """The latest of the clocks at hand: one that is behind must not refuse what is of today."""
    metrics: Metrics
    dependencies: Dependencies
    wake_publisher: Callable[[], None] = lambda: None
    """Is called when something new waits to be published."""
    waypoint: Callable[[Waypoint], None] = lambda _waypoint: None


@dataclass(frozen=True, slots=True)
class ApplyStatus:
    """How the loop is doing, as probes see it."""

    turned_at_ms: int
    """Monotonic."""
    holds_partitions: bool
    in_group: bool
    """Whether it is a member that has been told what it holds, be it nothing."""
    uncommitted_records: int
    uncommitted_bytes: int
    """Of the records in memory: of facts that wait for their step, and of dead letters."""
    problems: tuple[str, ...] = ()
    """Why the loop does not do its work, a sentence each; while there is one it is not ready."""
