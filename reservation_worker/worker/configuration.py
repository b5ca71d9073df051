"""The limits of a worker process."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a process does."""

    APPLY = "apply"
    PUBLISH = "publish"
    ALL = "all"

    @property
    def applies(self) -> bool:
        """Tell whether the process reads input records."""
        return self is not Role.PUBLISH

    @property
    def publishes(self) -> bool:
        """Tell whether the process owns shards, publishes their outboxes and keeps the time."""
        return self is not Role.APPLY


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """How long a process may take to end, and when it counts as stalled."""

    role: Role = Role.ALL
    drain_timeout_ms: int = 20_000
    """From the first signal to the exit, finished or not."""
    loop_stalled_after_ms: int = 120_000
    """A loop that has not turned for so long makes the process not live.

    Longer than a transaction may take while brokers are away.
    """
    rejoin_timeout_ms: int = 15_000
    """A loop that lost its group and is outside for so long while Kafka answers is given up."""
    heartbeat_interval_ms: int = 60_000
    """Time between two log lines that say how the process does."""


@dataclass(frozen=True, slots=True)
class OwnerConfig:
    """How the owner of shards looks for work."""

    scan_interval_ms: int = 200
    """Time between two looks for deadlines that have passed."""
    retention_scan_interval_ms: int = 5_000
    """Time between two looks for reservations that have been kept long enough."""
    poll_interval_ms: int = 5
    """Longest wait for something to publish; an apply loop of the same process wakes it up."""
    small_transaction_records: int = 500
    small_transaction_pause_ms: int = 10
    """Wait after a transaction of fewer records: a transaction costs the brokers much the same
    however few it carries, and while they are busy with it every later one is slower.
    """
    retry_interval_ms: int = 200
    """Wait after an outage before the next attempt to take over or to publish."""
    retry_held_interval_ms: int = 10_000
    """Wait before a shard that stopped is verified again."""
    fenced_in_a_row_max: int = 5
    """So many fenced producers without one success mean: the worker slot is used twice."""
