"""The same trouble is said no more than once in ten seconds."""

import pytest
import structlog

from reservation_worker.telemetry.limiting import INTERVAL_MS, TroubleLimiter
from reservation_worker.telemetry.log_events import CLIENT_WARNED, SHARD_REBUILT
from tests.clocks import StandingClock


def say(limiter: TroubleLimiter, **line: object) -> dict[str, object] | None:
    """Return what is let through; None: nothing."""
    try:
        return dict(limiter(None, "warning", {"event": CLIENT_WARNED, **line}))
    except structlog.DropEvent:
        return None


@pytest.fixture
def clock() -> StandingClock:
    """Return a clock that stands."""
    return StandingClock(1_000_000)


def test_a_trouble_that_repeats_itself_is_said_once_and_counted(clock: StandingClock) -> None:
    """In an outage a client says the same a hundred times a second, each time in other words."""
    limiter = TroubleLimiter(clock.monotonic_ms)
    assert say(limiter, reason="refused", client="a", detail="after 1 ms") is not None
    assert say(limiter, reason="refused", client="b", detail="after 2 ms") is None
    clock.advance(INTERVAL_MS - 1)
    assert say(limiter, reason="refused", client="a", detail="after 3 ms") is None
    clock.advance(1)
    later = say(limiter, reason="refused", client="a", detail="after 4 ms")
    assert later is not None
    assert later["repeated"] == 2


def test_another_trouble_is_said_at_once(clock: StandingClock) -> None:
    """It may be the one that somebody can do something about."""
    limiter = TroubleLimiter(clock.monotonic_ms)
    assert say(limiter, reason="refused") is not None
    assert say(limiter, reason="no_right", topic="orders") is not None
    assert say(limiter, reason="no_right", topic="payments") is not None


def test_what_is_no_trouble_is_always_said(clock: StandingClock) -> None:
    """Each of two rebuilt shards is news."""
    limiter = TroubleLimiter(clock.monotonic_ms)
    for _ in range(2):
        assert limiter(None, "info", {"event": SHARD_REBUILT, "shard": 1})["shard"] == 1
