"""The clock of a worker, beside that of its machine."""

from collections.abc import Callable
from threading import Lock
from typing import Final

from reservation_worker.ports import Clock, FatallyBroken, StoreUnavailable

SAMPLE_INTERVAL_MS: Final = 1_000
"""Between two looks at the server's clock: between them it goes on by a clock nobody can set."""
SILENT_INTERVAL_MS: Final = 10_000
"""The same while the server does not answer: each look may wait as long as its time limits say."""
ANSWER_MS_MAX: Final = 1_000
"""An answer that took longer says too little about when it was true."""


class LatestClock:
    """The later of this machine's clock and Redis', without asking Redis each time.

    A clock that is behind refuses what is of today, and lets reservations leave too early. So
    where either harms, the later one counts. Redis is asked once in a while, by whoever asks for
    the time then; while it does not answer, its clock goes on from the last answer, and before the
    first answer this machine's clock counts alone.
    """

    def __init__(self, clock: Clock, server_now_ms: Callable[[], int]) -> None:
        """Ask nobody yet; `server_now_ms` may raise as a store does."""
        self._clock = clock
        self._server_now_ms = server_now_ms
        self._ahead_ms: int | None = None
        """The server's wall clock less this machine's monotonic one; None: it has not answered."""
        self._ask_at_ms = clock.monotonic_ms()
        self._asking = Lock()

    def now_ms(self) -> int:
        """Return milliseconds since the epoch, UTC, by the later clock."""
        monotonic_ms = self._clock.monotonic_ms()
        if monotonic_ms >= self._ask_at_ms and self._asking.acquire(blocking=False):
            try:
                self._ask()
            finally:
                self._asking.release()
            monotonic_ms = self._clock.monotonic_ms()
        now_ms = self._clock.now_ms()
        return now_ms if self._ahead_ms is None else max(now_ms, monotonic_ms + self._ahead_ms)

    def monotonic_ms(self) -> int:
        """Return milliseconds since some moment; never goes backwards."""
        return self._clock.monotonic_ms()

    def _ask(self) -> None:
        asked_at_ms = self._clock.monotonic_ms()
        try:
            server_now_ms = self._server_now_ms()
        except (StoreUnavailable, FatallyBroken):
            # What is to be done about it, those who need more of it than its clock find out.
            self._ask_at_ms = self._clock.monotonic_ms() + SILENT_INTERVAL_MS
            return
        answered_at_ms = self._clock.monotonic_ms()
        self._ask_at_ms = answered_at_ms + SAMPLE_INTERVAL_MS
        if self._ahead_ms is None or answered_at_ms - asked_at_ms <= ANSWER_MS_MAX:
            self._ahead_ms = server_now_ms - answered_at_ms
