"""Steps that were sent to several shards at once, and what becomes of them on the way."""

import pytest
import redis

from reservation_worker.adapters.redis.store import RedisStore
from reservation_worker.contracts.records import OutputRecord
from reservation_worker.domain.outcome import OutcomeKind
from reservation_worker.embedded.valkey import EmbeddedValkey
from reservation_worker.ports import (
    ShardStep,
    StepCall,
    StepRefusal,
    StepRefused,
    StepReply,
    Store,
    StoreUnavailable,
)
from tests.store.conftest import Bounds, client_of, redis_store
from tests.store.facts import ordered
from tests.store.shard import EPOCH

SHARDS = (2, 5, 11)
CALLS = [StepCall(shard, EPOCH, [ordered("v1"), ordered("v2")]) for shard in SHARDS]
PAUSE_MS = 60_000
"""No script runs for so long, unless the pause is ended before."""
REFUSED, REPEAT = OutcomeKind.REFUSED, OutcomeKind.REPEAT
"""There is no stock: an order is refused, and the same order again is a repeat."""


def claim_all(store: Store[OutputRecord]) -> None:
    """Own all shards of the test."""
    for shard in SHARDS:
        assert store.claim(shard, store.inspect(shard), EPOCH)


def assert_each_took_effect_once(store: Store[OutputRecord]) -> None:
    """Send all facts again: each of them is a repeat, or takes effect only now."""
    store.begin_steps(CALLS).replies()
    for reply in store.begin_steps(CALLS).replies():
        assert isinstance(reply, StepReply)
        assert (REPEAT, REPEAT) == reply.outcomes
    for shard in SHARDS:
        (entries,) = store.read_outbox([ShardStep(shard, EPOCH, 0)], 10)
        assert not isinstance(entries, StepRefused)
        assert [1] == [entry.step for entry in entries]


def test_replies_come_in_the_order_of_the_calls(store: Store[OutputRecord]) -> None:
    """Each reply is taken for the facts of one shard."""
    claim_all(store)
    calls = [*CALLS[:1], StepCall(SHARDS[1], EPOCH - 1, [ordered("v1")]), *CALLS[2:]]
    first, refused, last = store.begin_steps(calls).replies()
    assert StepRefused(StepRefusal.EPOCH, EPOCH) == refused
    for reply in (first, last):
        assert isinstance(reply, StepReply)
        assert (REFUSED, REFUSED) == reply.outcomes
    assert_each_took_effect_once(store)


def test_scripts_forgotten_on_the_way_are_loaded_again(client: redis.Redis) -> None:
    """A restart and SCRIPT FLUSH forget them."""
    store = redis_store(client, Bounds())
    claim_all(store)
    client.script_flush()
    for reply in store.begin_steps(CALLS).replies():
        assert isinstance(reply, StepReply)
        assert (REFUSED, REFUSED) == reply.outcomes
    assert_each_took_effect_once(store)


def test_a_connection_lost_on_the_way_is_made_again(own_valkey: EmbeddedValkey) -> None:
    """Nobody knows which of the steps were run; to send them again is harmless."""
    with client_of(own_valkey.url) as client, client_of(own_valkey.url) as other:
        store = redis_store(client, Bounds())
        claim_all(store)
        other.client_pause(PAUSE_MS, all=False)
        under_way = store.begin_steps(CALLS)
        other.client_kill_filter(_type="normal", skipme=True)
        other.client_unpause()
        for reply in under_way.replies():
            assert isinstance(reply, StepReply)
            assert reply.outcomes in {(REFUSED, REFUSED), (REPEAT, REPEAT)}
        assert_each_took_effect_once(store)


def test_a_server_that_goes_away_on_the_way_is_an_outage(own_valkey: EmbeddedValkey) -> None:
    """It shows when the replies are taken; then the same steps may be sent again."""
    with client_of(own_valkey.url) as client:
        store: RedisStore = redis_store(client, Bounds())
        claim_all(store)
        own_valkey.kill()
        under_way = store.begin_steps(CALLS)
        with pytest.raises(StoreUnavailable):
            under_way.replies()
        own_valkey.start()
        assert all(
            isinstance(reply, StepRefused) for reply in store.begin_steps(CALLS).replies()
        ), "another server, which nobody has verified"
