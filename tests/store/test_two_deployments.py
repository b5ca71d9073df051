"""Two deployments share a Redis by mistake: each shard is the state of one of them alone."""

import redis

from reservation_worker.adapters.redis.configuration import StoreConfig
from reservation_worker.adapters.redis.store import RedisStore
from reservation_worker.ports import ShardEpoch, ShardStep, StepRefusal, StepRefused
from tests.store.conftest import FrozenClock
from tests.store.facts import counted, ordered
from tests.store.random_facts import NOW_MS
from tests.store.shard import EPOCH, SHARD, claim, step

FOREIGN = StepRefused(StepRefusal.FOREIGN, 0)


def store_of(client: redis.Redis, deployment: str) -> RedisStore:
    """Return the store of a deployment."""
    return RedisStore(client, StoreConfig(deployment=deployment), FrozenClock())


def test_a_stranger_is_refused_whatever_it_asks_and_changes_nothing(client: redis.Redis) -> None:
    """Even in the right epoch: it would sell units of which it knows nothing."""
    owner, stranger = store_of(client, "cluster/ours"), store_of(client, "cluster/theirs")
    claim(owner)
    step(owner, [counted(5)])
    before = owner.inspect(SHARD)
    one, at = ShardEpoch(SHARD, EPOCH), ShardStep(SHARD, EPOCH, 0)
    assert FOREIGN == stranger.step(SHARD, EPOCH, [ordered()])
    assert (FOREIGN,) == stranger.read_outbox([at], 10)
    assert (FOREIGN,) == stranger.mark_published([ShardStep(SHARD, EPOCH, 1)])
    assert (FOREIGN,) == stranger.due([one], NOW_MS, 10)
    seen = stranger.inspect(SHARD)
    assert "cluster/ours" == seen.foreign
    assert not stranger.claim(SHARD, seen, EPOCH + 1)
    assert not stranger.claim(SHARD, before, EPOCH + 1)
    assert before == owner.inspect(SHARD)
    assert 2 == step(owner, [ordered()]).step
