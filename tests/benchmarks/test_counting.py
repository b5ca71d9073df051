"""Rates and latencies by what the broker has dated, however late somebody reads it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from reservation_worker.benchmark.counting import BURST_MS, counted
from reservation_worker.benchmark.offered import Seen, latencies_ms
from reservation_worker.benchmark.processor_time import Samples

BEGUN_MS = 1_000_000
FIRST_MS = BEGUN_MS + 4_000
INPUT = ("order-completed", 0, 7)


def done() -> bool:
    """Say that everything is committed."""
    return True


def test_a_rate_is_what_was_appended_behind_the_first_transaction() -> None:
    """When work on that began nobody can tell; from its end to the last one's, everybody can."""
    appended = {FIRST_MS: 500, FIRST_MS + 20: 100, FIRST_MS + 1_020: 900, FIRST_MS + 2_020: 100}
    found = counted(appended, BEGUN_MS, Samples())
    assert (1_600, 1_000, 2.0) == (found.total, found.timed, found.seconds)
    assert 500.0 == found.per_second


@pytest.mark.parametrize("last_ms", [FIRST_MS, FIRST_MS + BURST_MS - 1])
def test_what_comes_at_once_is_timed_from_the_start(last_ms: int) -> None:
    """Too slow rather than too fast: the worker had to start as well."""
    found = counted({FIRST_MS: 300, last_ms: 300}, BEGUN_MS, Samples())
    assert found.total == found.timed
    assert (last_ms - BEGUN_MS) / 1_000 == found.seconds


def test_processor_time_is_that_between_the_first_transaction_and_the_last() -> None:
    """Whatever was used before or behind belongs to no fact that is counted."""
    samples = Samples()
    for seconds in range(10):
        samples.add(FIRST_MS + 1_000 * seconds, {"worker 1": 0.5 * seconds, "broker": 3.0})
    found = counted({FIRST_MS: 1, FIRST_MS + 2_500: 1}, BEGUN_MS, samples)
    assert {"worker 1": 1.25, "broker": 0.0} == found.processor_seconds
    assert 0.0 == samples.used(BEGUN_MS, FIRST_MS)["worker 1"]
    assert 4.5 == samples.used(FIRST_MS, FIRST_MS + 3_600_000)["worker 1"]


def test_a_latency_is_from_append_to_append() -> None:
    """The reader's own clock, and when it woke, are in none."""
    seen = Seen(at_ms={INPUT: BEGUN_MS + 30}, read_at=1.0)
    assert [30.0] == latencies_ms(seen, {INPUT: BEGUN_MS}, done)


def test_what_made_no_change_is_waited_for_until_its_group_is_done() -> None:
    """Quiet alone says nothing on a busy machine: the slowest would be left out."""
    seen, other = Seen(at_ms={INPUT: BEGUN_MS + 30}, read_at=1.0), ("order-completed", 0, 8)
    asked = Asked(seen, lambda: seen.at_ms.setdefault(other, BEGUN_MS + 900))
    assert [30.0, 900.0] == latencies_ms(seen, {INPUT: BEGUN_MS, other: BEGUN_MS}, asked)
    assert 1 == asked.times


@dataclass(slots=True)
class Asked:
    """A group that is not done when it is asked first; meanwhile the change comes."""

    seen: Seen
    come: Callable[[], object]
    times: int = field(default=0)

    def __call__(self) -> bool:
        """Say no, and let the change come."""
        self.times += 1
        self.come()
        return False
