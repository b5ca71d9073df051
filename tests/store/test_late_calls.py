"""A call of a rebuild that the network held back, and delivers after it was made again."""

from collections.abc import Iterator

import pytest
import redis

from reservation_worker.adapters.redis.configuration import StoreConfig
from reservation_worker.adapters.redis.restoring import RedisRestoring
from reservation_worker.adapters.redis.store import RedisStore
from reservation_worker.contracts.records import OutputTopic
from reservation_worker.domain.outcome import OutcomeKind
from reservation_worker.embedded.port_claims import LOOPBACK
from reservation_worker.embedded.valkey import EmbeddedValkey
from tests.proxy import Proxy
from tests.store.conftest import Bounds, client_of, redis_store
from tests.store.facts import STOCK_ID, counted, ordered
from tests.store.restored import Rebuilding, published
from tests.store.shard import EPOCH, SHARD, apply_all, claim, outbox, step
from tests.waiting import wait_until

NEXT = EPOCH + 1
TIMEOUT_MS = 10_000
IMPATIENT = "socket_timeout=0.3"


@pytest.fixture
def proxy(own_valkey: EmbeddedValkey) -> Iterator[Proxy]:
    """Give a way to the server on which calls can be held back."""
    with Proxy(own_valkey.port) as proxy:
        yield proxy


@pytest.fixture
def client(own_valkey: EmbeddedValkey) -> Iterator[redis.Redis]:
    """Give a client that goes straight to the server."""
    with client_of(own_valkey.url) as client:
        yield client


@pytest.fixture
def store(client: redis.Redis) -> RedisStore:
    """Give the store as all others see it."""
    return redis_store(client, Bounds())


@pytest.mark.parametrize("arrives", ["before the end", "after the end"])
def test_units_are_not_sold_again_when_a_drop_arrives_late(
    proxy: Proxy, client: redis.Redis, store: RedisStore, arrives: str
) -> None:
    """It timed out, was made again, and what was restored since then must stay."""
    claim(store)
    apply_all(store, [counted(1), ordered("first")])
    records = [record for entry in outbox(store) for record in entry.records]
    stocks = published(records, OutputTopic.STOCK_CHANGED)[-1:]
    with client_of(f"redis://{LOOPBACK}:{proxy.port}/0?{IMPATIENT}") as slow_client:
        restoring = RedisRestoring(slow_client, StoreConfig())
        rebuilding = Rebuilding(store, restoring, SHARD, NEXT)
        _, keys = restoring.keys(SHARD, 0)
        proxy.hold_back()
        # It times out, and is made again on another connection.
        rebuilding.drop(keys)
        rebuilding.restore(stocks)
        if arrives == "before the end":
            _deliver(proxy, client)
        rebuilding.restore(published(records, OutputTopic.RESERVATION_CHANGED))
        rebuilding.finish(2)
        if arrives == "after the end":
            _deliver(proxy, client)
    stock = store.stock(SHARD, STOCK_ID)
    assert stock is not None
    assert (1, 1) == (stock.on_hand, stock.authorized)
    assert (OutcomeKind.REFUSED,) == step(store, [ordered("second")], NEXT).outcomes
    assert (OutcomeKind.REPEAT,) == step(store, [ordered("first")], NEXT).outcomes


def _deliver(proxy: Proxy, client: redis.Redis) -> None:
    """Let what was held back arrive, and wait until the server has run it."""
    before = _scripts_called(client)
    proxy.deliver()
    wait_until(
        lambda: _scripts_called(client) > before, timeout_ms=TIMEOUT_MS, what="the call arrives"
    )


def _scripts_called(client: redis.Redis) -> int:
    called = client.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0)
    return int(called)
