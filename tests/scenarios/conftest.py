"""The worlds in which every scenario is played."""

from collections.abc import Callable, Iterator

import pytest
import redis

from reservation_worker.adapters.in_memory.shard import InMemoryStoreConfig
from reservation_worker.adapters.in_memory.store import InMemoryStore
from reservation_worker.adapters.redis.configuration import StoreConfig
from reservation_worker.adapters.redis.store import RedisStore
from tests.clocks import StandingClock
from tests.scenarios.world import LedgerWorld, StoreWorld, World

MakeWorld = Callable[[int], World]
"""Makes a new world of which one step settles at most so many acknowledged entries."""


@pytest.fixture(params=["ledger", "in_memory", "redis"])
def make_world(request: pytest.FixtureRequest) -> MakeWorld:
    """Make the world under test; a story must be true in each."""
    if request.param == "redis":
        client: redis.Redis = request.getfixturevalue("scenario_client")
        return lambda settled_entries_max: StoreWorld(
            RedisStore(
                client, StoreConfig(settled_entries_max=settled_entries_max), StandingClock()
            )
        )
    if request.param == "in_memory":
        return lambda settled_entries_max: StoreWorld(
            InMemoryStore(
                StandingClock(), InMemoryStoreConfig(settled_entries_max=settled_entries_max)
            )
        )
    return LedgerWorld


@pytest.fixture
def scenario_client(empty_valkey: str) -> Iterator[redis.Redis]:
    """Give a client of a real, empty server."""
    with redis.Redis.from_url(empty_valkey) as client:
        yield client
