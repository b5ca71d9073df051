"""The later of the worker's clock and Redis', told without asking Redis each time."""

from reservation_worker.composition.clocks import (
    ANSWER_MS_MAX,
    SAMPLE_INTERVAL_MS,
    SILENT_INTERVAL_MS,
    LatestClock,
)
from reservation_worker.ports import FatallyBroken, StoreUnavailable
from tests.clocks import StandingClock

NOW_MS = 1_796_040_000_000
DAY_MS = 24 * 60 * 60 * 1000


class Server:
    """A server with a clock of its own, which may be silent, or slow."""

    def __init__(self, worker_clock: StandingClock, ahead_ms: int = 0) -> None:
        self._worker_clock = worker_clock
        self.ahead_ms = ahead_ms
        self.answer_ms = 0
        self.error: Exception | None = None
        self.asked_total = 0

    def now_ms(self) -> int:
        """Answer, or do not."""
        self.asked_total += 1
        self._worker_clock.advance(self.answer_ms)
        if self.error is not None:
            raise self.error
        return NOW_MS + self.ahead_ms + self._worker_clock.monotonic_ms()


def test_the_later_of_two_clocks_counts() -> None:
    """One that is behind must neither refuse a shop's records nor forget its orders."""
    for ahead_ms in (40 * DAY_MS, -40 * DAY_MS):
        clock = StandingClock(NOW_MS)
        latest = LatestClock(clock, Server(clock, ahead_ms).now_ms)
        assert NOW_MS + max(0, ahead_ms) == latest.now_ms()


def test_the_server_is_asked_once_in_a_while_and_its_clock_goes_on_meanwhile() -> None:
    """A batch is decoded every few milliseconds: a call for each would cost more than it."""
    clock = StandingClock(NOW_MS)
    server = Server(clock, DAY_MS)
    latest = LatestClock(clock, server.now_ms)
    for _ in range(100):
        assert NOW_MS + DAY_MS + clock.monotonic_ms() == latest.now_ms()
        clock.advance(SAMPLE_INTERVAL_MS // 10)
    assert 10 == server.asked_total


def test_a_server_that_was_set_right_is_believed_soon() -> None:
    """Also backwards: what it said before was wrong."""
    clock = StandingClock(NOW_MS)
    server = Server(clock, DAY_MS)
    latest = LatestClock(clock, server.now_ms)
    assert NOW_MS + DAY_MS == latest.now_ms()
    server.ahead_ms = 0
    clock.advance(SAMPLE_INTERVAL_MS)
    assert NOW_MS + SAMPLE_INTERVAL_MS == latest.now_ms()


def test_before_the_first_answer_the_worker_s_clock_counts_alone() -> None:
    """Nothing else is known; and a server that is away is not asked without pause."""
    clock = StandingClock(NOW_MS)
    server = Server(clock, DAY_MS)
    for server.error in (StoreUnavailable("away"), FatallyBroken("no right")):
        latest = LatestClock(clock, server.now_ms)
        server.asked_total = 0
        for _ in range(100):
            assert clock.now_ms() == latest.now_ms()
            clock.advance(SILENT_INTERVAL_MS // 10)
        assert 10 == server.asked_total


def test_an_outage_of_the_server_changes_nothing_of_what_is_known() -> None:
    """The last answer goes on, by a clock that nobody can set."""
    clock = StandingClock(NOW_MS)
    server = Server(clock, DAY_MS)
    latest = LatestClock(clock, server.now_ms)
    latest.now_ms()
    server.error = StoreUnavailable("away")
    clock.set_wall(NOW_MS - 40 * DAY_MS)
    clock.advance(3 * SILENT_INTERVAL_MS)
    assert NOW_MS + DAY_MS + 3 * SILENT_INTERVAL_MS == latest.now_ms()


def test_an_answer_that_was_long_on_its_way_is_not_taken_for_new() -> None:
    """It was true at some moment of a wait; what is known from before is better."""
    clock = StandingClock(NOW_MS)
    server = Server(clock, DAY_MS)
    latest = LatestClock(clock, server.now_ms)
    latest.now_ms()
    clock.advance(SAMPLE_INTERVAL_MS)
    server.answer_ms, server.ahead_ms = ANSWER_MS_MAX + 1, 0
    assert NOW_MS + DAY_MS + SAMPLE_INTERVAL_MS + ANSWER_MS_MAX + 1 == latest.now_ms()
