"""Clocks for tests: the machine's, and one that stands until it is moved."""

import time

from reservation_worker.ports import Clock

NANOSECONDS_PER_MILLISECOND = 1_000_000


class MachineClock:
    """The machine's own clocks, for tests on real servers."""

    def now_ms(self) -> int:
        """Return milliseconds since the epoch, UTC."""
        return time.clock_gettime_ns(time.CLOCK_REALTIME) // NANOSECONDS_PER_MILLISECOND

    def monotonic_ms(self) -> int:
        """Return milliseconds since some moment; never goes backwards."""
        return time.monotonic_ns() // NANOSECONDS_PER_MILLISECOND


class ShiftedClock:
    """Another clock, whose wall time somebody has set wrongly."""

    def __init__(self, clock: Clock, offset_ms: int) -> None:
        """Show so much more than the clock does."""
        self._clock = clock
        self._offset_ms = offset_ms

    def now_ms(self) -> int:
        """Return milliseconds since the epoch, UTC, as this clock has it."""
        return self._clock.now_ms() + self._offset_ms

    def monotonic_ms(self) -> int:
        """Return milliseconds since some moment; never goes backwards."""
        return self._clock.monotonic_ms()


class StandingClock:
    """Stands still until a test moves it; both of its readings move together."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = now_ms
        self._monotonic_ms = 0

    def now_ms(self) -> int:
        """Return milliseconds since the epoch, UTC."""
        return self._now_ms

    def monotonic_ms(self) -> int:
        """Return milliseconds since the clock was made."""
        return self._monotonic_ms

    def advance(self, duration_ms: int) -> None:
        """Let time pass."""
        self._now_ms += duration_ms
        self._monotonic_ms += duration_ms

    def set_wall(self, now_ms: int) -> None:
        """Set the wall clock, as an operator might; no time passes."""
        self._now_ms = now_ms
