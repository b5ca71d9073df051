"""A shard of another deployment: every call is refused, and nothing of it is told or touched."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

import pytest
import redis

from reservation_worker.adapters.in_memory.restoring import InMemoryRestoring
from reservation_worker.adapters.redis.books import RedisBooks
from reservation_worker.adapters.redis.configuration import StoreConfig
from reservation_worker.adapters.redis.restoring import RedisRestoring
from reservation_worker.adapters.redis.store import RedisStore
from reservation_worker.contracts.records import OutputRecord
from reservation_worker.domain.facts import Fact
from reservation_worker.domain.outcome import OutcomeKind
from reservation_worker.embedded.valkey import EmbeddedValkey
from reservation_worker.ports import (
    FatallyBroken,
    RetentionAt,
    ShardEpoch,
    ShardStep,
    StepRefusal,
    StepRefused,
    Store,
    Turn,
)
from tests.store.conftest import Bounds, FrozenClock, client_of, in_memory_store
from tests.store.facts import STOCK_ID, canceled, counted, invoiced, ordered, paid
from tests.store.random_facts import NOW_MS
from tests.store.restored import begin, contents
from tests.store.shard import EPOCH, SHARD, apply_all, claim, outbox, step

OWN, OTHER = "cluster/shop", "cluster/other"
FOREIGN = StepRefused(StepRefusal.FOREIGN, 0)
View = tuple[Store[OutputRecord], RedisRestoring | InMemoryRestoring]


@pytest.fixture(params=["redis", "in_memory"])
def view_of(request: pytest.FixtureRequest) -> Iterator[Callable[[str], View]]:
    """Look at one server as different deployments do."""
    if request.param == "in_memory":
        store = in_memory_store(Bounds())

        def view_in_memory(deployment: str) -> View:
            seen = store.seen_by(deployment)
            return seen, InMemoryRestoring(seen)

        yield view_in_memory
    else:
        client: redis.Redis = request.getfixturevalue("client")

        def view(deployment: str) -> View:
            config = StoreConfig(deployment=deployment)
            return RedisStore(client, config, FrozenClock()), RedisRestoring(client, config)

        yield view


def test_every_call_of_another_deployment_is_refused(view_of: Callable[[str], View]) -> None:
    """Its epochs may even be the same numbers."""
    own, _ = view_of(OWN)
    claim(own)
    apply_all(own, [counted(5)])
    before = own.inspect(SHARD)
    other, restoring = view_of(OTHER)
    state = other.inspect(SHARD)
    assert (0, 0, 0, False, "", OWN) == (
        *(state.epoch, state.step, state.published, state.torn),
        *(state.verified_server, state.foreign),
    )
    assert FOREIGN == other.step(SHARD, EPOCH, [ordered()])
    assert (FOREIGN,) == other.read_outbox([ShardStep(SHARD, EPOCH, 0)], 10)
    assert (FOREIGN,) == other.mark_published([ShardStep(SHARD, EPOCH, 1)])
    assert (FOREIGN,) == other.due([ShardEpoch(SHARD, EPOCH)], NOW_MS, 10)
    assert (FOREIGN,) == other.removable([ShardEpoch(SHARD, EPOCH)], RetentionAt(0, 1, 1), 10)
    turn = Turn(SHARD, EPOCH, 1)
    assert FOREIGN == restoring.drop(turn, [f"{{s{SHARD}}}:s:any".encode()])
    assert FOREIGN == restoring.finish(turn, 1)
    for inspected in (state, before):
        assert not other.claim(SHARD, inspected, EPOCH + 1)
        assert not restoring.begin(SHARD, inspected, EPOCH + 1)
        assert not restoring.demand(SHARD, inspected, "tried")
    assert before == own.inspect(SHARD)
    assert (OutcomeKind.CHANGED,) == step(own, [ordered()]).outcomes


def test_another_deployment_takes_over_only_what_it_names(view_of: Callable[[str], View]) -> None:
    """By a command; from then on it is the former one that is refused."""
    own, _ = view_of(OWN)
    claim(own)
    other, restoring = view_of(OTHER)
    state = other.inspect(SHARD)
    assert not restoring.demand(SHARD, replace(state, foreign="a third"), "tried", adopts=True)
    assert restoring.demand(SHARD, state, "renamed", adopts=True)
    assert FOREIGN == own.step(SHARD, EPOCH, [ordered()])
    taken = other.inspect(SHARD)
    assert (EPOCH, True, "renamed", True, "") == (
        *(taken.epoch, taken.torn, taken.demanded, taken.adopts, taken.foreign),
    )
    assert restoring.begin(SHARD, taken, EPOCH + 1)
    assert other.inspect(SHARD).adopts, "until the rebuild has ended"
    assert restoring.finish(Turn(SHARD, EPOCH + 1, 1), 7) is None
    assert not other.inspect(SHARD).adopts


def test_what_only_looks_is_refused_too(client: redis.Redis) -> None:
    """Verifying another deployment's shard would find nothing but differences."""
    own = RedisStore(client, StoreConfig(deployment=OWN), FrozenClock())
    claim(own)
    books = RedisBooks(client, StoreConfig(deployment=OTHER))
    assert OWN == books.state(SHARD).foreign
    looks: list[Callable[[], object]] = [
        lambda: books.look_at_stocks(SHARD, [STOCK_ID.key]),
        lambda: books.look_at_reservations(SHARD, [], [], []),
        lambda: books.look_at_outbox(SHARD, []),
    ]
    for look in looks:
        with pytest.raises(FatallyBroken, match="another deployment"):
            look()


def test_deployments_with_a_prefix_of_their_own_do_not_see_each_other(
    client: redis.Redis,
) -> None:
    """Whatever is scanned, dropped or asked for is of one of them."""
    plain = RedisStore(client, StoreConfig(deployment=OWN), FrozenClock())
    prefixed_config = StoreConfig(deployment=OTHER, key_prefix="other:")
    prefixed = RedisStore(client, prefixed_config, FrozenClock())
    restoring = RedisRestoring(client, prefixed_config)
    for store in (plain, prefixed):
        claim(store)
        apply_all(store, [counted(5), ordered()])
    before = contents(client, SHARD)
    assert 3 == len(RedisBooks(client, prefixed_config).scan(SHARD, 0).stocks) + 2
    assert restoring.begin(SHARD, prefixed.inspect(SHARD), EPOCH + 1)
    _, keys = restoring.keys(SHARD, 0)
    assert keys
    assert all(key.startswith(b"other:{s") for key in keys)
    assert 2 == restoring.drop(Turn(SHARD, EPOCH + 1, 1), keys)
    assert [b"other:{s%d}:meta" % SHARD] == client.keys("other:*")
    assert before == contents(client, SHARD)


def test_every_key_has_the_prefix(client: redis.Redis) -> None:
    """Of a step, its indexes, the outbox and a rebuild: as without one, but for the prefix."""
    keys: dict[str, set[bytes]] = {}

    def all_keys() -> set[bytes]:
        return {bytes(key) for key in client.scan_iter("*", count=1_000)}

    for prefix in ("", "other:"):
        client.flushdb()
        config = StoreConfig(deployment=OWN, key_prefix=prefix, settled_entries_max=1)
        store = RedisStore(client, config, FrozenClock())
        claim(store)
        whole_life: list[Fact] = [
            *(counted(9), ordered("held"), ordered("canceled"), canceled("canceled")),
            *(paid("early"), ordered("gone"), invoiced("gone"), ordered("left"), invoiced("left")),
            *(ordered("sent"), invoiced("sent", at_ms=NOW_MS + 9), counted(7, at_ms=NOW_MS + 2)),
        ]
        apply_all(store, whole_life)
        written = all_keys()
        records = [record for entry in outbox(store) for record in entry.records]
        rebuilding = begin(store, RedisRestoring(client, config), SHARD, EPOCH + 1)
        assert {f"{prefix}{{s{SHARD}}}:meta".encode()} == all_keys()
        rebuilding.restore_all(records, Random(0))
        rebuilding.finish(len(whole_life))
        restored = all_keys()
        assert restored == {key for key in written if b":o:" not in key}
        keys[prefix] = written
    assert {b"other:" + key for key in keys[""]} == keys["other:"]
    names = {key.partition(b":")[2].partition(b":")[0] for key in keys[""]}
    assert {b"meta", b"s", b"r", b"o", b"a", b"due", b"settle", b"over", b"awaiting"} == names


def test_a_server_that_has_evicted_keys_is_another_one(own_valkey: EmbeddedValkey) -> None:
    """What they held may have been the shard's."""
    with client_of(own_valkey.url) as client:
        store = RedisStore(client, StoreConfig(), FrozenClock())
        claim(store)
        apply_all(store, [counted(5)])
        verified = store.inspect(SHARD)
        assert verified.server == verified.verified_server
        client.config_set("maxmemory-policy", "volatile-random")
        for number in range(100):
            client.set(f"other-{number}", b"x" * 10_000, ex=1_000)
        client.config_set("maxmemory", client.info("memory")["used_memory"])
        client.set("other", b"x" * 100_000, ex=1_000)
        client.config_set("maxmemory", "0")
        client.config_set("maxmemory-policy", "noeviction")
        evicted = client.info("stats")["evicted_keys"]
        assert evicted > 0
        assert StepRefused(StepRefusal.SERVER, EPOCH) == store.step(SHARD, EPOCH, [ordered()])
        state = store.inspect(SHARD)
        assert state.server == f"{verified.server.rpartition('/')[0]}/{evicted}"
