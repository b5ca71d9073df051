"""What a real server refuses, breaks or loses, and what the store makes of it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from reservation_worker.adapters.redis.calls import Call, Calls, meta_key
from reservation_worker.adapters.redis.configuration import StoreConfig
from reservation_worker.adapters.redis.store import RedisStore
from reservation_worker.domain.facts import OrderLine
from reservation_worker.domain.outcome import OutcomeKind, ReservationChanged
from reservation_worker.embedded.valkey import EmbeddedValkey
from reservation_worker.ports import (
    ShardEpoch,
    ShardStep,
    StepFailed,
    StepRefusal,
    StepRefused,
    StepReply,
    StoreUnavailable,
)
from reservation_worker.telemetry.labels import LostReason
from tests.published import events_of
from tests.store.conftest import Bounds, FrozenClock, client_of, redis_store
from tests.store.facts import counted, invoiced, ordered, paid
from tests.store.random_facts import NOW_MS
from tests.store.shard import EPOCH, SHARD, apply_all, claim, events, outbox, step

SECRET = "customer-4711"


@pytest.fixture
def own_client(own_valkey: EmbeddedValkey) -> Iterator[redis.Redis]:
    """Give a client of a server that this test may break."""
    with client_of(own_valkey.url) as client:
        yield client


@pytest.fixture
def own_store(own_client: redis.Redis) -> RedisStore:
    """Give a store on a server that this test may break."""
    return redis_store(own_client, Bounds())


def test_forgotten_scripts_are_loaded_again(client: redis.Redis) -> None:
    """A restart and SCRIPT FLUSH forget them."""
    store = redis_store(client, Bounds())
    claim(store)
    client.script_flush()
    assert (OutcomeKind.REFUSED,) == step(store, [ordered()]).outcomes
    client.script_flush()
    assert 1 == len(outbox(store))


def test_loading_a_script_is_no_attempt(client: redis.Redis) -> None:
    """Whoever allows a single one would be refused by every server that is fresh or was flushed."""
    store = RedisStore(client, StoreConfig(attempts_max=1), FrozenClock())
    client.script_flush()
    claim(store)
    client.script_flush()
    assert (OutcomeKind.REFUSED,) == step(store, [ordered()]).outcomes
    client.script_flush()
    assert 1 == len(outbox(store))


def test_a_script_that_is_loaded_in_vain_is_an_outage(client: redis.Redis) -> None:
    """Loading is no attempt; without an end of its own it would go on for ever."""
    key = meta_key(SHARD)
    forgotten = Call("inspect", key, ("EVALSHA", "0" * 40, 1, key))
    with pytest.raises(StoreUnavailable, match="forgets scripts as they are loaded"):
        Calls(client, StoreConfig(attempts_max=1)).call(forgotten)


def test_a_restarted_server_is_refused_until_its_owner_has_looked(
    own_valkey: EmbeddedValkey, own_store: RedisStore
) -> None:
    """It may have lost its last writes; only the owner can tell."""
    claim(own_store)
    apply_all(own_store, [counted(5), ordered()])
    own_valkey.kill()
    own_valkey.start()
    refused = StepRefused(StepRefusal.SERVER, EPOCH)
    assert refused == own_store.step(SHARD, EPOCH, [paid()])
    assert refused == own_store.read_outbox([ShardStep(SHARD, EPOCH, 0)], 10)[0]
    assert refused == own_store.mark_published([ShardStep(SHARD, EPOCH, 1)])[0]
    assert refused == own_store.due([ShardEpoch(SHARD, EPOCH)], NOW_MS, 10)[0]
    state = own_store.inspect(SHARD)
    assert state.server != state.verified_server
    assert 2 == state.step
    claim(own_store, EPOCH + 1)
    assert (OutcomeKind.CHANGED,) == step(own_store, [paid()], EPOCH + 1).outcomes


def test_a_torn_step_stops_the_shard(client: redis.Redis) -> None:
    """Half of a step's writes is a state that no fact has made."""
    store = redis_store(client, Bounds())
    claim(store)
    client.hset(f"{{s{SHARD}}}:meta", "writing", "1")
    torn = StepRefused(StepRefusal.TORN, EPOCH)
    assert torn == store.step(SHARD, EPOCH, [ordered()])
    assert torn == store.read_outbox([ShardStep(SHARD, EPOCH, 0)], 10)[0]
    assert store.inspect(SHARD).torn
    assert not store.claim(SHARD, store.inspect(SHARD), EPOCH + 1)


def test_a_full_server_refuses_steps_and_lets_the_outbox_be_published(
    own_client: redis.Redis, own_store: RedisStore
) -> None:
    """Publishing is what makes room again."""
    claim(own_store)
    apply_all(own_store, [counted(5), ordered("v1")])
    own_client.config_set("maxmemory", "1mb")
    with pytest.raises(StoreUnavailable, match="OOM"):
        own_store.step(SHARD, EPOCH, [ordered("v2")])
    assert 2 == len(outbox(own_store))
    assert own_store.mark_published([ShardStep(SHARD, EPOCH, 2)])[0] is None
    assert 2 == own_store.inspect(SHARD).published
    claim(own_store, EPOCH + 1)
    own_client.config_set("maxmemory", "0")
    assert (OutcomeKind.CHANGED,) == step(own_store, [ordered("v2")], EPOCH + 1).outcomes


def test_a_replica_is_refused(own_valkey: EmbeddedValkey, tmp_path: Path) -> None:
    """Its writes would be lost, and its reads may be old."""
    with (
        EmbeddedValkey(tmp_path / "replica", replica_of=own_valkey) as replica,
        client_of(own_valkey.url) as client,
        client_of(replica.url) as replica_client,
    ):
        store = redis_store(client, Bounds())
        claim(store)
        apply_all(store, [counted(5)])
        assert 1 == client.wait(1, 10_000)
        on_replica = redis_store(replica_client, Bounds())
        with pytest.raises(StoreUnavailable, match="is a replica") as caught:
            on_replica.step(SHARD, EPOCH, [ordered()])
        assert LostReason.NOT_AS_NEEDED is caught.value.reason
        with pytest.raises(StoreUnavailable, match="is a replica"):
            on_replica.read_outbox([ShardStep(SHARD, EPOCH, 0)], 10)


def test_too_few_replicas_are_an_outage(own_client: redis.Redis, own_store: RedisStore) -> None:
    """The operator has asked for copies; without them nothing may be decided."""
    claim(own_store)
    own_client.config_set("min-replicas-to-write", "1")
    with pytest.raises(StoreUnavailable, match="NOREPLICAS"):
        own_store.step(SHARD, EPOCH, [ordered()])


def test_a_server_that_is_gone_is_an_outage(
    own_valkey: EmbeddedValkey, own_store: RedisStore
) -> None:
    """It comes back, or another does."""
    claim(own_store)
    own_valkey.kill()
    with pytest.raises(StoreUnavailable):
        own_store.step(SHARD, EPOCH, [ordered()])
    with pytest.raises(StoreUnavailable):
        own_store.look([], [SHARD])
    with pytest.raises(StoreUnavailable):
        own_store.now_ms()


def test_a_server_that_does_not_answer_is_an_outage_and_the_step_may_be_repeated(
    own_valkey: EmbeddedValkey, own_store: RedisStore
) -> None:
    """Nobody knows whether it was run; its facts are repeats then."""
    impatient = RedisStore(
        redis.Redis.from_url(own_valkey.url, retry=Retry(NoBackoff(), 0), socket_timeout=0.1),
        StoreConfig(attempts_max=2),
        FrozenClock(),
    )
    claim(own_store)
    own_valkey.suspend()
    try:
        with pytest.raises(StoreUnavailable):
            impatient.step(SHARD, EPOCH, [counted(5), ordered()])
    finally:
        own_valkey.resume()
    apply_all(own_store, [counted(5), ordered()])
    changes = [event for event in events(own_store) if isinstance(event, ReservationChanged)]
    assert [1] == [change.reservation.version for change in changes]


def test_a_broken_connection_is_tried_again(client: redis.Redis) -> None:
    """An idle connection that a proxy has cut is no outage."""
    store = redis_store(client, Bounds())
    claim(store)
    with client_of(f"redis://127.0.0.1:{client.get_connection_kwargs()['port']}/0") as other:
        other.client_kill_filter(_type="normal", skipme=True)
    assert (OutcomeKind.REFUSED,) == step(store, [ordered()]).outcomes


def test_a_step_that_fails_among_its_writes_is_found_torn_and_names_no_argument(
    client: redis.Redis,
) -> None:
    """Redis does not roll scripts back; and ids of customers must not reach a log."""
    store = redis_store(client, Bounds())
    claim(store)
    apply_all(store, [counted(5)])
    client.set(f"{{s{SHARD}}}:due", "not a sorted set")
    failed = store.step(SHARD, EPOCH, [ordered(SECRET)])
    assert isinstance(failed, StepFailed)
    assert SECRET not in failed.where
    torn = StepRefused(StepRefusal.TORN, EPOCH)
    assert torn == store.step(SHARD, EPOCH, [ordered("v2")])


def test_thousands_of_keys_in_one_step_are_read_and_written_in_chunks(
    client: redis.Redis,
) -> None:
    """Lua's stack holds about 8,000 values."""
    store = RedisStore(client, StoreConfig(lines_per_step_max=20_000), FrozenClock())
    claim(store)
    orders = [
        replace(
            order,
            lines=tuple(OrderLine(str(n), "main", f"{order.order_id}-{n}", 1) for n in range(500)),
        )
        for order in (ordered(f"v{number}") for number in range(20))
    ]
    balances = [counted(1, sku=line.sku) for order in orders for line in order.lines]
    for first in range(0, len(balances), 500):
        step(store, balances[first : first + 500])
    reply = store.step(SHARD, EPOCH, orders)
    assert isinstance(reply, StepReply)
    assert (OutcomeKind.CHANGED,) * 20 == reply.outcomes
    assert 20 + 20 * 500 == len(events_of(outbox(store, reply.step - 1)[0]))
    assert 20 == client.zcard(f"{{s{SHARD}}}:due")
    assert (OutcomeKind.CHANGED,) * 2 == step(store, [paid("v0"), invoiced("v0")]).outcomes


def test_the_lines_of_a_step_are_bounded(client: redis.Redis) -> None:
    """Large orders make a step long; it takes fewer of them then, and at least one."""
    store = RedisStore(client, StoreConfig(lines_per_step_max=25), FrozenClock())
    claim(store)
    facts = [ordered(f"v{number}", lines=10) for number in range(4)]
    assert 2 == len(step(store, facts).outcomes)
    assert 1 == len(step(store, [ordered("large", lines=100)]).outcomes)


def test_the_bytes_of_a_step_are_bounded(client: redis.Redis) -> None:
    """One outbox entry must fit what one call reads."""
    bounds = StoreConfig(event_bytes_max=9_000, step_bytes_max=9_000)
    store = RedisStore(client, bounds, FrozenClock())
    claim(store)
    facts = [ordered(f"v{number}", lines=20) for number in range(50)]
    taken = len(step(store, facts).outcomes)
    assert 1 < taken < 50
