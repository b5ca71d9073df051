"""Changes as a read_committed reader sees them, and the processor time that went into them."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from reservation_worker.benchmark.processor_time import processor_seconds
from reservation_worker.benchmark.stage import STALL_SECONDS, Reader, Stalled

READ_SECONDS = 0.2
QUIET_SECONDS = 3.0
BURST_SECONDS = 0.1
"""What is read so soon after the very first change was published together with it."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What came until nothing came any more."""

    total: int
    timed: int
    """Those behind the first transaction: when work on that began nobody can tell."""
    seconds: float
    """From the first transaction's being read to the last one's."""
    processor_seconds: Mapping[str, float]
    """By process, in this time."""

    @property
    def per_second(self) -> float:
        """How many came in a second."""
        return self.timed / self.seconds


def count_changes(reader: Reader, process_ids: Mapping[str, int]) -> Counted:
    """Count changes until none comes any more.

    If all come at once, the time counts from the call: less than the truth.

    Raises:
        Stalled: none came for a long time.
    """
    begun = last = first_at = opened_at = time.monotonic()
    before = after = before_first = processor_seconds(process_ids)
    total = first = 0
    while True:
        bodies = reader.read(READ_SECONDS)
        now = time.monotonic()
        if bodies:
            total, last = total + len(bodies), now
            after = processor_seconds(process_ids)
            if not first:
                opened_at = now
            if now - opened_at < BURST_SECONDS:
                first, first_at, before_first = total, now, after
        elif total and now - last > QUIET_SECONDS:
            break
        elif now - last > STALL_SECONDS:
            raise Stalled(f"no change for {STALL_SECONDS} s after {total} changes")
    if first < total:
        begun, before = first_at, before_first
    else:
        first = 0
    used = {name: after[name] - before[name] for name in after}
    return Counted(total, total - first, last - begun, used)
