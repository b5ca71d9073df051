"""A Redis that throws keys away, keeps no file, or is a replica: refused, live as at a start."""

from pathlib import Path

import pytest

from reservation_worker.cli.exit_codes import ExitCode
from reservation_worker.embedded.valkey import EmbeddedValkey
from reservation_worker.telemetry.log_events import DEPENDENCY_LOST
from reservation_worker.worker import Role
from tests.integration import shop
from tests.integration.processes import WorkerProcess
from tests.integration.stage import Stage
from tests.waiting import wait_until

ORDERS_EACH = 60
NOTICE_TIMEOUT_MS = 30_000


def wait_until_it_says(worker: WorkerProcess, words: str) -> None:
    """Wait until the probe of a worker says this."""
    wait_until(
        lambda: any(words in problem for problem in worker.problems() or ()),
        timeout_ms=NOTICE_TIMEOUT_MS,
        what=f"the worker says {words}; it says {worker.problems()}",
    )


def test_eviction_that_is_switched_on_under_load_is_noticed_and_rebuilt(stage: Stage) -> None:
    """Nothing is decided on what is left; when the policy is back, all goes on."""
    accounts, now_ms = stage.accounts(), stage.clock.now_ms()
    worker = stage.open_shop()
    applying = stage.start("apply", role=Role.APPLY)
    applying.wait_until_ready()
    stage.send(shop.traffic(1, now_ms, accounts, ORDERS_EACH, "before"))
    stage.wait_until_something_is_published()
    with stage.redis() as client:
        client.config_set("maxmemory-policy", "allkeys-random")
        client.config_set("maxmemory", "1mb")
        stage.send(shop.traffic(2, now_ms, accounts, ORDERS_EACH, "under load"))
        for one in (worker, applying):
            wait_until_it_says(one, "maxmemory-policy allkeys-random")
        assert 0 < client.info("stats")["evicted_keys"]
        client.config_set("maxmemory", "0")
        client.config_set("maxmemory-policy", "noeviction")
    stage.send(shop.traffic(3, now_ms, accounts, ORDERS_EACH, "after"))
    stage.wait_until_settled()
    stage.assert_nothing_violated()
    assert set(range(len(accounts))) == worker.rebuilt_shards()
    assert "not_as_needed" in {line["reason"] for line in worker.logged(DEPENDENCY_LOST)}
    assert [0, 0] == [applying.drain(), worker.drain()]


@pytest.mark.parametrize("role", [Role.ALL, Role.APPLY])
@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("maxmemory-policy", "allkeys-lru", "CONFIG SET maxmemory-policy noeviction"),
        ("appendonly", "no", "CONFIG SET appendonly yes"),
    ],
)
def test_a_start_on_such_a_server_is_refused(
    stage: Stage, role: Role, option: str, value: str, told: str
) -> None:
    """With what to do about it, by whichever role."""
    with stage.redis() as client:
        client.config_set(option, value)
    refused = stage.start(role=role)
    assert ExitCode.CHECK_FAILED == refused.exit_code()
    assert told in refused.log_path.read_text("utf-8")


def test_a_start_on_a_replica_is_refused(stage: Stage, tmp_path: Path) -> None:
    """What is written there is lost, if it can be written at all."""
    with EmbeddedValkey(tmp_path / "replica", replica_of=stage.valkey) as replica:
        refused = stage.start(settings={"RESERVATION_REDIS__URL": replica.url})
        assert ExitCode.CHECK_FAILED == refused.exit_code()
    assert "is a replica" in refused.log_path.read_text("utf-8")


def test_persistence_may_be_waived(stage: Stage) -> None:
    """By one who knows that each restart is a rebuild."""
    with stage.redis() as client:
        client.config_set("appendonly", "no")
    worker = stage.start(settings={"RESERVATION_REDIS__PERSISTENCE_REQUIRED": "false"})
    worker.wait_until_ready()
    assert 0 == worker.drain()
