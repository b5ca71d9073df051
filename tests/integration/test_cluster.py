"""Redis Cluster of three primaries: a node loses everything, a node dies."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reservation_worker.telemetry.log_events import SERVER_CHANGED
from tests.integration.losing import Loss, is_primary
from tests.integration.stage import Stage
from tests.integration.valkey_cluster import TIMEOUT_MS, Cluster, Node, open_on, running_node
from tests.integration.verifying import assert_agrees, verify
from tests.waiting import wait_until


@pytest.fixture
def replica(cluster: Cluster, tmp_path: Path) -> Iterator[Node]:
    """Give the primary of shard 0 a replica."""
    with running_node(tmp_path / "replica") as node:
        cluster.follow(node, cluster.owner_of(cluster.slot_of(0)))
        yield node


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
