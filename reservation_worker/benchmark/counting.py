"""Changes by when the broker appended them, and the processor time that went into them.

When a reader sees them says something of the reader: on a busy machine it is late, the worker has
long finished, and what is left looks as if it had come out at once.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reservation_worker.benchmark.processor_time import Samples, sampled
from reservation_worker.benchmark.stage import STALL_SECONDS, Reader, Stalled
from reservation_worker.composition import build_clock

READ_SECONDS = 0.2
QUIET_SECONDS = 3.0
BURST_MS = 100
"""What was appended so soon after the very first change was published together with it."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What came until nothing came any more."""

    total: int
    timed: int
    """Those behind the first transaction: when work on that began nobody can tell."""
    seconds: float
    """From the first transaction's being appended to the last one's."""
    processor_seconds: Mapping[str, float]
    """By process, in this time."""

    @property
    def per_second(self) -> float:
        """How many came in a second."""
        return self.timed / self.seconds


def count_changes(
    reader: Reader, process_ids: Mapping[str, int], is_done: Callable[[], bool]
) -> Counted:
    """Count changes until none comes any more, and whoever makes them says that he is done.

    Raises:
        Stalled: none came for a long time.
    """
    begun_ms = build_clock().now_ms()
    appended: Counter[int] = Counter()
    with sampled(process_ids) as samples:
        last = time.monotonic()
        while True:
            records = reader.read_records(READ_SECONDS)
            appended.update(one.timestamp()[1] for one in records if one.value() is not None)
            quiet_seconds = time.monotonic() - last
            if records:
                last = time.monotonic()
            elif appended and quiet_seconds > QUIET_SECONDS and is_done():
                break
            elif quiet_seconds > STALL_SECONDS:
                total = appended.total()
                raise Stalled(f"no change for {STALL_SECONDS} s after {total} changes")
    return counted(appended, begun_ms, samples)


def counted(appended: Mapping[int, int], begun_ms: int, samples: Samples) -> Counted:
    """Return what was appended: how many in each millisecond, from when work on it may have begun.

    If all came at once, the time counts from there: the rate is less than the truth.
    """
    total, first_ms, last_ms = sum(appended.values()), min(appended), max(appended)
    burst_ms = [at_ms for at_ms in appended if at_ms - first_ms < BURST_MS]
    from_ms, first = max(burst_ms), sum(appended[at_ms] for at_ms in burst_ms)
    if first == total:
        from_ms, first = begun_ms, 0
    used = samples.used(from_ms, last_ms)
    return Counted(total, total - first, max(1, last_ms - from_ms) / 1_000, used)
