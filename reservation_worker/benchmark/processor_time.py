"""What processes have used, as Linux counts it."""

import os
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

from reservation_worker.composition import build_clock

USER_FIELD = 11
SYSTEM_FIELD = 12
"""Behind the name of the program, which may contain anything; see proc(5)."""
SAMPLE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Samples:
    """What processes had used at some moments, oldest first."""

    at_ms: list[int] = field(default_factory=list)
    """Milliseconds since the epoch: what they are held against is dated by a broker."""
    used_seconds: list[Mapping[str, float]] = field(default_factory=list)

    def add(self, at_ms: int, used_seconds: Mapping[str, float]) -> None:
        """Append one."""
        self.at_ms.append(at_ms)
        self.used_seconds.append(used_seconds)

    def used(self, from_ms: int, to_ms: int) -> dict[str, float]:
        """Return what each process used from one moment to another one."""
        names = self.used_seconds[0] if self.used_seconds else {}
        return {name: self._at(name, to_ms) - self._at(name, from_ms) for name in names}

    def _at(self, name: str, at_ms: int) -> float:
        """Return a process' time at a moment; between two samples it grew evenly."""
        after = bisect_left(self.at_ms, at_ms)
        if after == 0 or after == len(self.at_ms):
            return self.used_seconds[min(after, len(self.at_ms) - 1)][name]
        begin_ms, end_ms = self.at_ms[after - 1], self.at_ms[after]
        begin, end = self.used_seconds[after - 1][name], self.used_seconds[after][name]
        return begin + (end - begin) * (at_ms - begin_ms) / (end_ms - begin_ms)


@contextmanager
def sampled(process_ids: Mapping[str, int]) -> Iterator[Samples]:
    """Look at processes again and again, in a thread; each look has the moment it was made at."""
    samples, ended, clock = Samples(), Event(), build_clock()

    def look() -> None:
        while True:
            samples.add(clock.now_ms(), processor_seconds(process_ids))
            if ended.wait(SAMPLE_SECONDS):
                return

    thread = Thread(target=look, name="processor time", daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()


def processor_seconds(process_ids: Mapping[str, int]) -> dict[str, float]:
    """Return the processor time that each process has used so far, threads included.

    Counted in hundredths of a second. One that has ended counts as 0.
    """
    ticks_per_second = os.sysconf("SC_CLK_TCK")
    used = {}
    for name, process_id in process_ids.items():
        try:
            text = Path(f"/proc/{process_id}/stat").read_text("ascii", "replace")
        except FileNotFoundError:
            used[name] = 0.0
            continue
        fields = text.rpartition(")")[2].split()
        used[name] = (int(fields[USER_FIELD]) + int(fields[SYSTEM_FIELD])) / ticks_per_second
    return used


def peak_megabytes(process_id: int) -> int:
    """Return the largest resident set of a process so far."""
    status = Path(f"/proc/{process_id}/status").read_text("ascii")
    (line,) = [one for one in status.splitlines() if one.startswith("VmHWM")]
    return int(line.split()[1]) // 1024
