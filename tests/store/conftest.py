"""Stores to test: on a real server, and in memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from reservation_worker.adapters.in_memory.restoring import InMemoryRestoring
from reservation_worker.adapters.in_memory.shard import InMemoryStoreConfig
from reservation_worker.adapters.in_memory.store import InMemoryStore
from reservation_worker.adapters.redis.configuration import StoreConfig
from reservation_worker.adapters.redis.restoring import RedisRestoring
from reservation_worker.adapters.redis.store import RedisStore
from reservation_worker.contracts.records import OutputRecord, PublishedRecord
from reservation_worker.domain.ledger import SETTLED_ENTRIES_MAX
from reservation_worker.ports import Clock, Restoring, Store
from tests.store.random_facts import AFTERWARDS_MS

SOCKET_TIMEOUT_SECONDS = 5


@dataclass(frozen=True, slots=True)
class FrozenClock:
    """A clock that stands still."""

    at_ms: int = AFTERWARDS_MS

    def now_ms(self) -> int:
        """Return the same instant always."""
        return self.at_ms

    def monotonic_ms(self) -> int:
        """Return the same moment always."""
        return 0


@dataclass(frozen=True, slots=True)
class Bounds:
    """What tests make smaller than it is in production."""

    facts_per_step_max: int = 500
    event_bytes_max: int = 900_000
    outbox_steps_max: int = 10_000
    settled_entries_max: int = SETTLED_ENTRIES_MAX


StoreFactory = Callable[[Bounds], Store[OutputRecord]]


def client_of(url: str) -> redis.Redis:
    """Return a client as the composition builds it: bytes, and no retries of its own."""
    return redis.Redis.from_url(
        url, retry=Retry(NoBackoff(), 0), socket_timeout=SOCKET_TIMEOUT_SECONDS
    )


def redis_store(client: redis.Redis, bounds: Bounds, clock: Clock | None = None) -> RedisStore:
    """Return a store on a real server."""
    return RedisStore(
        client,
        StoreConfig(
            facts_per_step_max=bounds.facts_per_step_max,
            event_bytes_max=bounds.event_bytes_max,
            outbox_steps_max=bounds.outbox_steps_max,
            settled_entries_max=bounds.settled_entries_max,
        ),
        clock or FrozenClock(),
    )


def in_memory_store(bounds: Bounds, clock: Clock | None = None) -> InMemoryStore:
    """Return a store in memory with the same bounds."""
    return InMemoryStore(
        clock or FrozenClock(),
        InMemoryStoreConfig(
            facts_per_step_max=bounds.facts_per_step_max,
            event_bytes_max=bounds.event_bytes_max,
            outbox_steps_max=bounds.outbox_steps_max,
            settled_entries_max=bounds.settled_entries_max,
        ),
    )


@pytest.fixture
def client(empty_valkey: str) -> Iterator[redis.Redis]:
    """Give a client of a real, empty server."""
    with client_of(empty_valkey) as client:
        yield client


@pytest.fixture(params=["redis", "in_memory"])
def make_store(request: pytest.FixtureRequest) -> StoreFactory:
    """Make the store under test; the same tests must pass on both."""
    if request.param == "redis":
        client: redis.Redis = request.getfixturevalue("client")
        return lambda bounds: redis_store(client, bounds)
    return in_memory_store


@pytest.fixture
def store(make_store: StoreFactory) -> Store[OutputRecord]:
    """Give the store under test with the bounds of production."""
    return make_store(Bounds())


@pytest.fixture
def restoring(
    store: Store[OutputRecord], request: pytest.FixtureRequest
) -> Restoring[PublishedRecord]:
    """Give what restores shards of the store under test."""
    if isinstance(store, InMemoryStore):
        return InMemoryRestoring(store)
    client: redis.Redis = request.getfixturevalue("client")
    return RedisRestoring(client, StoreConfig())
