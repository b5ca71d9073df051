"""A server whose scripts lack what a step needs: refused before anything is written to it.

The server is the real one; what it says of its version is changed on its way to the client.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
import redis

from reservation_worker.embedded.port_claims import LOOPBACK
from reservation_worker.ports import StoreUnavailable
from reservation_worker.telemetry.labels import LostReason
from tests.proxy import Proxy
from tests.store.conftest import Bounds, client_of, redis_store
from tests.store.shard import SHARD, claim

SAID = "redis_version:"
VALKEY_SAYS = "7.2.4"
"""In all of its releases."""


@pytest.fixture
def saying(empty_valkey: str) -> Iterator[Callable[[str], redis.Redis]]:
    """Give clients of a server that calls itself of another version."""
    with ExitStack() as stack:

        def connected(version: str) -> redis.Redis:
            assert len(version) == len(VALKEY_SAYS), "the length of the answer is told before it"
            changed = ((SAID + VALKEY_SAYS).encode(), (SAID + version).encode())
            port = urlsplit(empty_valkey).port
            assert port is not None
            proxy = stack.enter_context(Proxy(port, changed))
            client = client_of(f"redis://{LOOPBACK}:{proxy.port}/0")
            stack.callback(client.close)
            return client

        yield connected


@pytest.mark.parametrize("version", ["6.2.9", "6.9.9", "2.8.0"])
def test_a_server_that_is_too_old_is_refused_and_left_alone(
    saying: Callable[[str], redis.Redis], version: str
) -> None:
    """A script that fails half-way would leave a shard torn; the sentence says what to run."""
    client = saying(version)
    store = redis_store(client, Bounds())
    with pytest.raises(StoreUnavailable, match=f"is of version {version}: .* Run Redis 7.0") as why:
        store.claim(SHARD, store.inspect(SHARD), 1)
    assert why.value.reason is LostReason.NOT_AS_NEEDED
    (told,) = store.shortcomings()
    assert "or Valkey 7.2 or newer" in told
    assert client.dbsize() == 0


@pytest.mark.parametrize("version", ["7.0.0", "10.00"])
def test_the_oldest_that_will_do_is_worked_on(
    saying: Callable[[str], redis.Redis], version: str
) -> None:
    """Versions are numbers: the tenth comes behind the seventh."""
    store = redis_store(saying(version), Bounds())
    assert store.shortcomings() == ()
    claim(store)
