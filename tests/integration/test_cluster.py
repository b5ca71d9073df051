"""Redis Cluster of three primaries: a slot moves, a node loses everything, a node dies."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import redis
from redis.cluster import RedisCluster

from reservation_worker.embedded.port_claims import LOOPBACK, claim_port
from reservation_worker.embedded.valkey import EmbeddedValkey
from reservation_worker.telemetry.log_events import SERVER_CHANGED
from tests.integration import shop
from tests.integration.losing import Loss, is_primary
from tests.integration.processes import WorkerProcess
from tests.integration.stage import Stage
from tests.integration.verifying import assert_agrees, verify
from tests.waiting import wait_until

SLOTS = 16_384
PRIMARIES = 3
Reply: TypeAlias = Any
"""What it is, the command says."""
TIMEOUT_MS = 60_000
KEYS_PER_MOVE = 20


@dataclass(frozen=True, slots=True)
class Node:
    """One primary of the cluster."""

    valkey: EmbeddedValkey
    bus_port: int
    client: redis.Redis

    @property
    def id(self) -> str:
        """How the nodes call it."""
        return str(self.run("CLUSTER MYID"))

    def run(self, *command: str | int) -> Reply:
        """Run a command on it."""
        return self.client.execute_command(*command)  # type: ignore[no-untyped-call]  # shipped so


class Cluster:
    """Three primaries; the stage's Redis from now on."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes

    @property
    def settings(self) -> dict[str, str]:
        """Of workers that use it."""
        port = self.nodes[0].valkey.port
        return {
            "RESERVATION_REDIS__URL": f"redis://{LOOPBACK}:{port}/0",
            "RESERVATION_REDIS__TOPOLOGY": "cluster",
        }

    def connect(self) -> RedisCluster:
        """Connect to all nodes."""
        return RedisCluster(host=LOOPBACK, port=self.nodes[0].valkey.port, decode_responses=True)

    def follow(self, replica: Node, primary: Node) -> None:
        """Let a node that has no slots be the replica of one that has, with all that it has."""
        replica.run("CLUSTER MEET", LOOPBACK, primary.valkey.port, primary.bus_port)
        wait_until(
            lambda: primary.id in str(replica.run("CLUSTER NODES")),
            timeout_ms=TIMEOUT_MS,
            what="the replica knows its primary",
        )
        replica.run("CLUSTER REPLICATE", primary.id)
        wait_until(
            lambda: primary.client.wait(1, 100) == 1,
            timeout_ms=TIMEOUT_MS,
            what="the replica has what its primary has",
        )

    def form(self) -> None:
        """Let the nodes meet, and share the slots."""
        for number, node in enumerate(self.nodes):
            first, last = (SLOTS * one // PRIMARIES for one in (number, number + 1))
            node.run("CLUSTER ADDSLOTSRANGE", first, last - 1)
            if number:
                node.run(
                    "CLUSTER MEET", LOOPBACK, self.nodes[0].valkey.port, self.nodes[0].bus_port
                )
        wait_until(self._is_whole, timeout_ms=TIMEOUT_MS, what="the cluster serves its slots")

    def _is_whole(self) -> bool:
        return all(
            "'cluster_state': 'ok'" in (said := str(node.run("CLUSTER INFO")))
            and f"'cluster_known_nodes': '{PRIMARIES}'" in said
            for node in self.nodes
        )

    def slot_of(self, shard: int) -> int:
        """Return the slot of a shard."""
        return int(self.nodes[0].run("CLUSTER KEYSLOT", f"{{s{shard}}}:meta"))

    def owner_of(self, slot: int) -> Node:
        """Return who serves a slot."""
        return self.nodes[slot * PRIMARIES // SLOTS]

    def move(self, slot: int, source: Node, target: Node) -> None:
        """Move a slot as `redis-cli --cluster reshard` does."""
        target.run("CLUSTER SETSLOT", slot, "IMPORTING", source.id)
        source.run("CLUSTER SETSLOT", slot, "MIGRATING", target.id)
        while keys := source.run("CLUSTER GETKEYSINSLOT", slot, KEYS_PER_MOVE):
            port = target.valkey.port
            source.run("MIGRATE", LOOPBACK, port, "", 0, 5_000, "KEYS", *keys)
        for node in (target, source, *self.nodes):
            node.run("CLUSTER SETSLOT", slot, "NODE", target.id)


@contextmanager
def running_node(directory: Path) -> Iterator[Node]:
    """Start a node that is alone yet."""
    bus = claim_port()
    lines = (
        "cluster-enabled yes",
        f"cluster-port {bus.port}",
        "cluster-node-timeout 2000",
        # However old what it has may be.
        "cluster-replica-validity-factor 0",
    )
    try:
        with (
            EmbeddedValkey(directory, lines=lines) as valkey,
            redis.Redis.from_url(valkey.url, decode_responses=True) as client,
        ):
            yield Node(valkey, bus.port, client)
    finally:
        bus.release()


@pytest.fixture
def cluster(stage: Stage, tmp_path: Path) -> Iterator[Cluster]:
    """Form a cluster, and let the stage look there."""
    with ExitStack() as stack:
        cluster = Cluster(
            [
                stack.enter_context(running_node(tmp_path / f"node-{number}"))
                for number in range(PRIMARIES)
            ]
        )
        cluster.form()
        stage.connect = cluster.connect
        yield cluster


@pytest.fixture
def replica(cluster: Cluster, tmp_path: Path) -> Iterator[Node]:
    """Give the primary of shard 0 a replica."""
    with running_node(tmp_path / "replica") as node:
        cluster.follow(node, cluster.owner_of(cluster.slot_of(0)))
        yield node


def open_on(stage: Stage, cluster: Cluster) -> WorkerProcess:
    """Open the shop on the cluster."""
    stage.send(shop.balances(stage.clock.now_ms(), stage.accounts()))
    worker = stage.start(settings=cluster.settings)
    worker.wait_until_ready()
    stage.sell(1, "before")
    stage.wait_until_settled()
    return worker


@pytest.mark.loss
def test_slot_that_moves_while_traffic_runs_loses_nothing(
    stage: Stage, cluster: Cluster, loss: Loss
) -> None:
    """Half of its keys are here, half there; then another server has all of them."""
    worker = open_on(stage, cluster)
    for number, shard in enumerate(range(stage.topics.shards_total), start=2):
        stage.sell(number, f"moving-{shard}")
        stage.wait_until_something_is_published()
        slot = cluster.slot_of(shard)
        source = cluster.owner_of(slot)
        target = cluster.nodes[(cluster.nodes.index(source) + 1) % PRIMARIES]
        loss.begins("Cluster: a slot moves to another primary")
        cluster.move(slot, source, target)
    stage.sell(9, "after")
    loss.is_survived("after")
    assert worker.logged(SERVER_CHANGED)
    assert 0 == worker.drain()


@pytest.mark.loss
def test_node_that_loses_everything_has_its_shards_rebuilt(
    stage: Stage, cluster: Cluster, loss: Loss
) -> None:
    """The shards of the other nodes have lost nothing."""
    worker = open_on(stage, cluster)
    node = cluster.owner_of(cluster.slot_of(0))
    lost = {
        shard
        for shard in range(stage.topics.shards_total)
        if cluster.owner_of(cluster.slot_of(shard)) is node
    }
    stage.sell(2, "meanwhile")
    stage.wait_until_something_is_published()
    loss.begins("Cluster: one primary loses everything")
    node.client.flushall()
    stage.sell(3, "after")
    loss.is_survived("after")
    assert lost == worker.rebuilt_shards()
    assert_agrees(verify(stage, settings=cluster.settings))
    assert 0 == worker.drain()


@pytest.mark.loss
def test_node_that_dies_and_comes_back_delays_and_loses_nothing(
    stage: Stage, cluster: Cluster, loss: Loss
) -> None:
    """Its shards wait, and are looked at when it is there again."""
    worker = open_on(stage, cluster)
    node = cluster.owner_of(cluster.slot_of(0))
    stage.sell(2, "meanwhile")
    stage.wait_until_something_is_published()
    loss.begins("Cluster: one primary dies and comes back")
    node.valkey.kill()
    stage.sell(3, "without it")
    node.valkey.start()
    loss.is_survived("without it")
    assert worker.logged(SERVER_CHANGED)
    assert 0 == worker.drain()


@pytest.mark.loss
def test_primary_that_is_failed_over_to_a_lagging_replica_is_rebuilt(
    stage: Stage, cluster: Cluster, replica: Node, loss: Loss
) -> None:
    """The other primaries elect the replica, and it misses everything since its link was cut."""
    worker = open_on(stage, cluster)
    primary = cluster.owner_of(cluster.slot_of(0))
    # Asked by the workers, who know the first node: it must not be the one that dies.
    assert primary is not cluster.nodes[0]
    primary.client.wait(1, 5_000)
    primary.run("ACL", "SETUSER", "default", "-psync", "-sync")
    primary.run("CLIENT", "KILL", "TYPE", "replica")
    stage.sell(2, "never replicated")
    stage.wait_until_settled()
    stage.sell(3, "meanwhile")
    stage.wait_until_something_is_published()
    loss.begins("Cluster: a primary failed over to a replica whose link was dead")
    primary.valkey.kill()
    wait_until(
        lambda: is_primary(replica.client),
        timeout_ms=TIMEOUT_MS,
        what="the replica is elected",
    )
    stage.sell(4, "after")
    loss.is_survived("after")
    assert {0, 1} <= worker.rebuilt_shards()
    assert 0 == worker.drain()
