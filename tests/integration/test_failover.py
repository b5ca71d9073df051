"""Another Redis takes over, and it has less than the one before."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from reservation_worker.embedded.port_claims import LOOPBACK
from reservation_worker.embedded.valkey import EmbeddedValkey
from tests.integration import shop
from tests.integration.losing import Loss
from tests.integration.processes import WorkerProcess
from tests.integration.stage import Stage
from tests.proxy import Proxy
from tests.waiting import wait_until

SYNC_TIMEOUT_MS = 30_000


@dataclass(frozen=True, slots=True)
class Pair:
    """A primary and its replica, and the network that a test can break."""

    primary: EmbeddedValkey
    replica: EmbeddedValkey
    link: Proxy
    """From the replica to the primary."""
    clients: Proxy
    """Where workers find whoever is the primary."""

    @property
    def settings(self) -> dict[str, str]:
        """Of workers that follow a failover."""
        return {"RESERVATION_REDIS__URL": f"redis://{LOOPBACK}:{self.clients.port}/0"}

    def wait_until_in_sync(self) -> None:
        """Wait until the replica has everything that the primary has."""
        with redis.Redis.from_url(self.primary.url) as client:
            wait_until(
                lambda: client.wait(1, 100) == 1,
                timeout_ms=SYNC_TIMEOUT_MS,
                what="they are in sync",
            )

    def promote(self) -> None:
        """Make the replica a primary."""
        with redis.Redis.from_url(self.replica.url) as client:
            client.replicaof("NO", "ONE")


@pytest.fixture
def pair(stage: Stage, tmp_path: Path) -> Iterator[Pair]:
    """Give the stage's Valkey a replica."""
    primary = stage.valkey
    with (
        Proxy(primary.port) as link,
        Proxy(primary.port) as clients,
        EmbeddedValkey(
            tmp_path / "replica", lines=(f"replicaof {LOOPBACK} {link.port}",)
        ) as replica,
    ):
        yield Pair(primary, replica, link, clients)


def open_on(stage: Stage, pair: Pair) -> WorkerProcess:
    """Open the shop by a worker that follows failovers; the replica has all of it."""
    stage.send(shop.balances(stage.clock.now_ms(), stage.accounts()))
    worker = stage.start(settings=pair.settings)
    worker.wait_until_ready()
    stage.sell(1, "in sync")
    stage.wait_until_settled()
    pair.wait_until_in_sync()
    return worker


@pytest.mark.loss
def test_failover_to_a_replica_whose_link_was_dead_loses_nothing(
    stage: Stage, pair: Pair, loss: Loss
) -> None:
    """It was in sync as far as it knew, and misses everything since."""
    worker = open_on(stage, pair)
    pair.link.swallow()
    stage.sell(2, "never replicated")
    stage.wait_until_settled()
    stage.sell(3, "meanwhile")
    stage.wait_until_something_is_published()
    loss.begins("failover to a replica whose link was dead")
    pair.primary.kill()
    pair.promote()
    pair.clients.turn_to(pair.replica.port)
    stage.valkey = pair.replica
    stage.sell(4, "after")
    loss.is_survived("after")
    assert set(range(len(stage.accounts()))) == worker.rebuilt_shards()
    assert 0 == worker.drain()


@pytest.mark.loss
def test_old_primary_that_one_worker_goes_on_using_does_no_harm(
    stage: Stage, pair: Pair, loss: Loss
) -> None:
    """Only what a shard's one owner publishes, from the server it has verified, is true."""
    worker = open_on(stage, pair)
    pair.link.swallow()
    stage.sell(2, "never replicated")
    stage.wait_until_settled()
    loss.begins("an old primary that one worker goes on using")
    pair.promote()
    other = stage.start("two", settings={"RESERVATION_REDIS__URL": pair.replica.url})
    stage.wait_until_shared_by(2)
    stage.sell(3, "in two minds")
    wait_until(
        lambda: bool(other.rebuilt_shards()),
        timeout_ms=SYNC_TIMEOUT_MS,
        what="the other worker has rebuilt its shards",
    )
    worker.kill()
    pair.primary.kill()
    stage.valkey = pair.replica
    stage.sell(4, "after")
    loss.is_survived("after")
    assert set(range(len(stage.accounts()))) == other.rebuilt_shards()
    assert 0 == other.drain()


@pytest.mark.loss
def test_server_that_was_demoted_and_promoted_again_is_looked_at(
    stage: Stage, pair: Pair, loss: Loss
) -> None:
    """Same process, same address: only the history of its writes has another name."""
    worker = open_on(stage, pair)
    pair.link.swallow()
    stage.sell(2, "lost by the demotion")
    stage.wait_until_settled()
    loss.begins("a primary demoted and promoted again")
    pair.promote()
    with redis.Redis.from_url(pair.primary.url) as client:
        client.replicaof(LOOPBACK, str(pair.replica.port))
        wait_until(
            lambda: client.info("replication")["master_link_status"] == "up",
            timeout_ms=SYNC_TIMEOUT_MS,
            what="the demoted server has taken over what the other one has",
        )
        client.replicaof("NO", "ONE")
    stage.sell(3, "after")
    loss.is_survived("after")
    assert set(range(len(stage.accounts()))) == worker.rebuilt_shards()
    assert 0 == worker.drain()
