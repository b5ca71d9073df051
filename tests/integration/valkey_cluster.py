"""Real Redis Clusters of a test, whose primaries give slots away."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import redis
from redis.cluster import RedisCluster

from reservation_worker.embedded.port_claims import LOOPBACK, claim_port
from reservation_worker.embedded.valkey import EmbeddedValkey
from reservation_worker.embedded.valkey_cluster import (
    SLOTS,
    EmbeddedValkeyCluster,
    cluster_lines,
)
from tests.integration import shop
from tests.integration.processes import WorkerProcess
from tests.integration.stage import Stage
from tests.waiting import wait_until

PRIMARIES = 3
LINES = (
    "cluster-node-timeout 2000",
    # However old what it has may be.
    "cluster-replica-validity-factor 0",
)
"""Of each node's configuration."""
Reply: TypeAlias = Any
"""What it is, the command says."""
TIMEOUT_MS = 60_000
KEYS_PER_MOVE = 20
KEYS_MAX = 100_000
"""More than a test puts into one slot."""


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
        self._moved: dict[int, Node] = {}

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

    def slot_of(self, shard: int) -> int:
        """Return the slot of a shard."""
        return int(self.nodes[0].run("CLUSTER KEYSLOT", f"{{s{shard}}}:meta"))

    def owner_of(self, slot: int) -> Node:
        """Return who serves a slot."""
        return self._moved.get(slot, self.nodes[slot * PRIMARIES // SLOTS])

    def move_slot_key_by_key(self, slot: int) -> None:
        """Move a slot as `redis-cli --cluster reshard` does, on any server."""
        move = self.begin_move(slot)
        move.take_the_rest()
        self.end_move(move)

    def move_slot_at_once(self, slot: int) -> None:
        """Move a slot by the one command that Valkey 9 has for it."""
        source, target = self.owner_of(slot), self.next_after(self.owner_of(slot))
        source.run("CLUSTER MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", target.id)
        wait_until(
            lambda: "success" in str(source.run("CLUSTER GETSLOTMIGRATIONS")),
            timeout_ms=TIMEOUT_MS,
            what="the slot is with the other primary",
        )
        self._moved[slot] = target

    def next_after(self, node: Node) -> Node:
        """Return another primary."""
        return self.nodes[(self.nodes.index(node) + 1) % PRIMARIES]

    def begin_move(self, slot: int) -> "Move":
        """Let keys of a slot be taken to another primary; none is yet."""
        source = self.owner_of(slot)
        target = self.next_after(source)
        target.run("CLUSTER SETSLOT", slot, "IMPORTING", source.id)
        source.run("CLUSTER SETSLOT", slot, "MIGRATING", target.id)
        return Move(slot, source, target)

    def end_move(self, move: "Move") -> None:
        """Say that the other primary serves the slot; it has all keys."""
        for node in (move.target, move.source, *self.nodes):
            node.run("CLUSTER SETSLOT", move.slot, "NODE", move.target.id)
        self._moved[move.slot] = move.target


@dataclass(frozen=True, slots=True)
class Move:
    """A slot on its way: each side has some of its keys."""

    slot: int
    source: Node
    target: Node

    def arrived(self) -> dict[str, object]:
        """Return what the other side has by now, as it would dump it.

        But for `meta`: the same fields are dumped in one order or another.
        """
        with redis.Redis(host=LOOPBACK, port=self.target.valkey.port) as client:
            keys = client.execute_command("CLUSTER GETKEYSINSLOT", self.slot, KEYS_MAX)
            pipeline = client.pipeline(transaction=False)
            for key in keys:
                pipeline.execute_command("ASKING")
                if key.endswith(":meta"):
                    pipeline.hgetall(key)
                else:
                    pipeline.dump(key)
            return dict(zip(keys, pipeline.execute()[1::2], strict=True))

    def left(self) -> list[str]:
        """Return the keys that this side still has."""
        keys: list[str] = self.source.run("CLUSTER GETKEYSINSLOT", self.slot, KEYS_MAX)
        return keys

    def take_the_rest(self) -> None:
        """Take over all that is left, a few keys at a time."""
        while keys := self.left()[:KEYS_PER_MOVE]:
            self.take(keys)

    def take(self, keys: Sequence[str]) -> None:
        """Take keys over."""
        port = self.target.valkey.port
        self.source.run("MIGRATE", LOOPBACK, port, "", 0, 5_000, "KEYS", *keys)


@contextmanager
def running_node(directory: Path) -> Iterator[Node]:
    """Start a node that is alone yet."""
    bus = claim_port()
    try:
        with (
            EmbeddedValkey(directory, lines=(*cluster_lines(bus.port), *LINES)) as valkey,
            _connected(valkey, bus.port) as node,
        ):
            yield node
    finally:
        bus.release()


@contextmanager
def running_cluster(directory: Path) -> Iterator[Cluster]:
    """Start nodes that have formed a cluster."""
    with (
        EmbeddedValkeyCluster(directory, primaries=PRIMARIES, lines=LINES) as embedded,
        ExitStack() as stack,
    ):
        pairs = zip(embedded.nodes, embedded.bus_ports, strict=True)
        yield Cluster([stack.enter_context(_connected(*pair)) for pair in pairs])


@contextmanager
def _connected(valkey: EmbeddedValkey, bus_port: int) -> Iterator[Node]:
    with redis.Redis.from_url(valkey.url, decode_responses=True) as client:
        yield Node(valkey, bus_port, client)


def open_on(stage: Stage, cluster: Cluster) -> WorkerProcess:
    """Open the shop on the cluster."""
    stage.send(shop.balances(stage.clock.now_ms(), stage.accounts()))
    worker = stage.start(settings=cluster.settings)
    worker.wait_until_ready()
    stage.sell(1, "before")
    stage.wait_until_settled()
    return worker
