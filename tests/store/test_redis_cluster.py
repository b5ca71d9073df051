"""A shard's keys are in one slot, and a slot that moves stops its shards."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import redis
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.retry import Retry

from reservation_worker.adapters.redis.calls import meta_key
from reservation_worker.adapters.redis.configuration import StoreConfig
from reservation_worker.adapters.redis.store import RedisStore
from reservation_worker.domain.facts import Fact
from reservation_worker.domain.outcome import OutcomeKind
from reservation_worker.embedded.port_claims import claim_port
from reservation_worker.embedded.valkey import EmbeddedValkey
from reservation_worker.ports import (
    ShardMoves,
    ShardStep,
    StepCall,
    StepRefusal,
    StepRefused,
    StepReply,
)
from tests.store.conftest import FrozenClock, client_of
from tests.store.facts import STOCK_ID, counted, invoiced, ordered, paid
from tests.store.shard import EPOCH, SHARD, apply_all, claim, due
from tests.waiting import wait_until

SLOTS = 16_384
META = meta_key(SHARD)
NEIGHBOUR = SHARD + 1
MOVES = StepRefused(StepRefusal.MOVES, 0)
Reply: TypeAlias = Any
"""What it is, the command says."""


@pytest.fixture
def cluster_valkey(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """Give a cluster of one node that serves all slots."""
    bus = claim_port()  # By default 10,000 above the other port, where outgoing connections are.
    lines = ("cluster-enabled yes", f"cluster-port {bus.port}")
    with EmbeddedValkey(tmp_path / "cluster", lines=lines) as valkey:
        with client_of(valkey.url) as node:
            run(node, "CLUSTER ADDSLOTSRANGE", 0, SLOTS - 1)
            wait_until(
                lambda: "'cluster_state': 'ok'" in str(run(node, "CLUSTER INFO")),
                timeout_ms=10_000,
                what="the cluster serves its slots",
            )
        yield valkey
    bus.release()


@pytest.fixture
def cluster_store(cluster_valkey: EmbeddedValkey) -> Iterator[RedisStore]:
    """Give a store on a cluster."""
    client = RedisCluster(
        host="127.0.0.1", port=cluster_valkey.port, retry=Retry(NoBackoff(), 0), socket_timeout=5
    )
    try:
        yield RedisStore(client, StoreConfig(), FrozenClock())
    finally:
        client.close()


def test_a_shard_lives_in_one_slot_of_a_cluster(cluster_store: RedisStore) -> None:
    """A script may build keys, but only from the tag of its shard."""
    claim(cluster_store)
    facts: list[Fact] = [counted(5), ordered(), paid(), invoiced(), ordered("v2")]
    assert (OutcomeKind.CHANGED,) * 5 == apply_all(cluster_store, facts)
    assert 1 == len(due(cluster_store).deadlines)
    assert cluster_store.mark_published([ShardStep(SHARD, EPOCH, 1)])[0] is None
    assert (0, 2) == cluster_store.look([], [SHARD - 1, SHARD]).latest_steps
    assert cluster_store.now_ms() > 0


@dataclass(frozen=True, slots=True)
class Source:
    """The node of the cluster, and another one that it knows."""

    node: redis.Redis
    other_id: str

    def begin_move(self) -> None:
        """Let the shard's slot leave: a key that is deleted from now on is with the other one."""
        self._set_slot("MIGRATING", self.other_id)

    def give_up_move(self) -> None:
        """Let the slot stay."""
        self._set_slot("STABLE")

    def _set_slot(self, *state: str) -> None:
        slot = run(self.node, "CLUSTER KEYSLOT", META)
        run(self.node, "CLUSTER SETSLOT", slot, *state)


def run(node: redis.Redis, *command: str | int) -> Reply:
    """Run a command on a node."""
    return node.execute_command(*command)  # type: ignore[no-untyped-call]  # shipped so


@pytest.fixture
def source(cluster_valkey: EmbeddedValkey, tmp_path: Path) -> Iterator[Source]:
    """Let the node of the cluster meet another one."""
    lines = ("cluster-enabled yes",)
    with (
        EmbeddedValkey(tmp_path / "other", lines=lines) as other,
        client_of(cluster_valkey.url) as node,
        client_of(other.url) as other_node,
    ):
        run(node, "CLUSTER MEET", "127.0.0.1", other.port)
        other_id = run(other_node, "CLUSTER MYID").decode()
        wait_until(
            lambda: other_id in str(run(node, "CLUSTER NODES")),
            timeout_ms=10_000,
            what="the nodes know each other",
        )
        yield Source(node, other_id)


def test_a_slot_that_is_moving_stops_its_shard(cluster_store: RedisStore, source: Source) -> None:
    """Each side has half of the keys: a redirection by ASK is never followed."""
    claim(cluster_store)
    apply_all(cluster_store, [counted(5)])
    source.begin_move()
    # The stock is on the other side already: it must not be taken for one never counted.
    source.node.delete(f"{{s{SHARD}}}:s:{STOCK_ID.key}")
    with pytest.raises(ShardMoves, match="SLOT_MOVES"):
        cluster_store.step(SHARD, EPOCH, [counted(6, at_ms=EPOCH)])
    assert not cluster_store.inspect(SHARD).torn
    source.node.delete(META)
    with pytest.raises(ShardMoves, match="ASK"):
        cluster_store.step(SHARD, EPOCH, [ordered()])
    source.give_up_move()


def test_shards_that_stay_are_answered_beside_one_that_moves(
    cluster_store: RedisStore, source: Source
) -> None:
    """A move of one shard may take minutes, and is nothing to the others."""
    shards = (SHARD, NEIGHBOUR)
    for shard in shards:
        assert cluster_store.claim(shard, cluster_store.inspect(shard), EPOCH)
    source.begin_move()
    source.node.delete(META)
    calls = [StepCall(shard, EPOCH, [ordered()]) for shard in shards]
    moving, staying = cluster_store.begin_steps(calls).replies()
    assert moving == MOVES
    assert isinstance(staying, StepReply)
    assert (None, 1) == cluster_store.look([], shards).latest_steps
    outboxes = cluster_store.read_outbox([ShardStep(shard, EPOCH, 0) for shard in shards], 1)
    assert outboxes[0] == MOVES
    assert not isinstance(outboxes[1], StepRefused)
    source.give_up_move()


def test_an_outbox_that_is_trimmed_while_its_slot_moves_is_trimmed_again(
    cluster_store: RedisStore, source: Source
) -> None:
    """What is not trimmed must not be called published, or nobody ever looks there again."""
    claim(cluster_store)
    apply_all(cluster_store, [counted(5)])
    first, entry = f"{{s{SHARD}}}:o:1", source.node.get(f"{{s{SHARD}}}:o:1")
    assert entry is not None
    source.begin_move()
    source.node.delete(first)
    assert (MOVES,) == cluster_store.mark_published([ShardStep(SHARD, EPOCH, 1)])
    source.give_up_move()
    source.node.set(first, entry)
    assert cluster_store.mark_published([ShardStep(SHARD, EPOCH, 1)])[0] is None
    assert [] == source.node.keys(f"{{s{SHARD}}}:o:*")
