"""Since when a reservation is kept: by the latest clock at hand, in both stores and both ways."""

from dataclasses import replace

import pytest
import redis

from reservation_worker.adapters.in_memory.restoring import InMemoryRestoring
from reservation_worker.adapters.in_memory.store import InMemoryStore
from reservation_worker.adapters.redis.configuration import StoreConfig
from reservation_worker.adapters.redis.restoring import RedisRestoring
from reservation_worker.contracts.records import OutputRecord, OutputTopic, PublishedRecord
from reservation_worker.ports import (
    RECORD_AHEAD_MAX_MS,
    Restoring,
    RetentionAt,
    ShardEpoch,
    StepCall,
    StepRefused,
    StepReply,
    Store,
)
from tests.clocks import StandingClock
from tests.store.conftest import Bounds, in_memory_store, redis_store
from tests.store.facts import ordered
from tests.store.random_facts import NOW_MS
from tests.store.restored import begin, published
from tests.store.shard import EPOCH, SHARD, claim, outbox

DAY_MS = 24 * 60 * 60 * 1000
FOREVER_MS = 10**15
YEAR_9999_MS = 253_402_300_799_000


@pytest.fixture
def clock() -> StandingClock:
    """Give the clock of the worker, 40 days behind."""
    return StandingClock(NOW_MS - 40 * DAY_MS)


@pytest.fixture(params=["redis", "in_memory"])
def store(request: pytest.FixtureRequest, clock: StandingClock) -> Store[OutputRecord]:
    """Give the claimed store under test."""
    made: Store[OutputRecord] = in_memory_store(Bounds(), clock)
    if request.param == "redis":
        made = redis_store(request.getfixturevalue("client"), Bounds(), clock)
    claim(made)
    return made


@pytest.fixture
def restoring(
    store: Store[OutputRecord], request: pytest.FixtureRequest
) -> Restoring[PublishedRecord]:
    """Give what restores shards of the store under test."""
    if isinstance(store, InMemoryStore):
        return InMemoryRestoring(store)
    client: redis.Redis = request.getfixturevalue("client")
    return RedisRestoring(client, StoreConfig())


def kept_since(store: Store[OutputRecord], epoch: int = EPOCH) -> list[int]:
    """Return since when each reservation is kept that is over."""
    at = RetentionAt(FOREVER_MS, 0, 0)
    (found,) = store.removable([ShardEpoch(SHARD, epoch)], at, 100)
    assert not isinstance(found, StepRefused)
    return [one.reached_at_ms for one in found]


def deny(store: Store[OutputRecord], records_at_ms: int) -> None:
    """Run a step of an order that nothing is there for, whose record has a timestamp."""
    call = StepCall(SHARD, EPOCH, [ordered("denied")], records_at_ms)
    (reply,) = store.begin_steps([call]).replies()
    assert isinstance(reply, StepReply)


@pytest.mark.parametrize(
    ("records_at_ms", "expected_ms"),
    [
        (NOW_MS, NOW_MS),
        (NOW_MS - 41 * DAY_MS, NOW_MS - 40 * DAY_MS),
        (-1, NOW_MS - 40 * DAY_MS),
        (YEAR_9999_MS, NOW_MS - 40 * DAY_MS + RECORD_AHEAD_MAX_MS),
    ],
    ids=["record is later", "clock is later", "no timestamp", "nobody's time"],
)
def test_a_step_is_stamped_by_the_latest_clock_at_hand(
    store: Store[OutputRecord], records_at_ms: int, expected_ms: int
) -> None:
    """Too early, and an order that is sent again is held again; but no record keeps it for ever."""
    deny(store, records_at_ms)
    assert [expected_ms] == kept_since(store)


def test_a_record_far_ahead_says_no_more_than_a_deadline_may() -> None:
    """Who dates a record may hold units by a deadline as well: one bound for both."""
    assert RECORD_AHEAD_MAX_MS == 400 * DAY_MS


def test_what_is_restored_is_kept_from_the_fact_where_its_record_is_dated_before(
    store: Store[OutputRecord], restoring: Restoring[PublishedRecord], clock: StandingClock
) -> None:
    """The worker that published it had a clock that was behind: so has its record."""
    deny(store, NOW_MS)
    records = [record for entry in outbox(store) for record in entry.records]
    rebuilding = begin(store, restoring, SHARD, EPOCH + 1)
    rebuilding.restore(
        [
            replace(one, timestamp_ms=clock.now_ms())
            for one in published(records, OutputTopic.RESERVATION_CHANGED)
        ]
    )
    rebuilding.finish(1)
    assert [NOW_MS] == kept_since(store, EPOCH + 1)
