"""Redis behind Sentinel: the primary dies, and the Sentinels name another one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from reservation_worker.composition import build_store
from reservation_worker.embedded.port_claims import LOOPBACK, claim_port
from reservation_worker.embedded.server_process import ServerProcess
from reservation_worker.embedded.valkey import EmbeddedValkey, answers, find_valkey
from reservation_worker.ports import StoreUnavailable
from reservation_worker.settings.loading import load_settings
from reservation_worker.settings.secret_files import SecretFile
from reservation_worker.telemetry.labels import LostReason
from reservation_worker.telemetry.log_events import SERVER_CHANGED
from tests.certificates import Authority
from tests.integration import shop
from tests.integration.losing import Loss, is_primary
from tests.integration.stage import Stage
from tests.integration.verifying import assert_agrees, verify
from tests.tls_proxy import TlsProxy
from tests.waiting import wait_until

START_TIMEOUT_MS = 20_000
FAILOVER_TIMEOUT_MS = 60_000
ORDERS_EACH = 40
PRIMARY = "the-shop"


@pytest.fixture
def replica(stage: Stage, tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """Give the stage's Valkey a replica."""
    with EmbeddedValkey(tmp_path / "replica", replica_of=stage.valkey) as replica:
        yield replica


@pytest.fixture
def sentinel(stage: Stage, replica: EmbeddedValkey, tmp_path: Path) -> Iterator[int]:
    """Start one Sentinel, which is enough to agree with itself; gives its port."""
    with running_sentinel(stage, tmp_path) as port:
        with redis.Redis(host=LOOPBACK, port=port) as client:
            wait_until(
                lambda: client.sentinel_master(PRIMARY)["num-slaves"] == 1,
                timeout_ms=START_TIMEOUT_MS,
                what=f"the Sentinel knows the replica on port {replica.port}",
            )
        yield port


@contextmanager
def running_sentinel(stage: Stage, tmp_path: Path) -> Iterator[int]:
    """Run a Sentinel that watches the stage's Valkey; gives its port."""
    claim = claim_port()
    configuration = tmp_path / "sentinel.conf"
    lines = (
        f"port {claim.port}",
        f"bind {LOOPBACK}",
        f'dir "{tmp_path}"',
        f"sentinel monitor {PRIMARY} {LOOPBACK} {stage.valkey.port} 1",
        f"sentinel down-after-milliseconds {PRIMARY} 1000",
    )
    configuration.write_text("\n".join((*lines, "")), "utf-8")
    command = (str(find_valkey()), str(configuration), "--sentinel")
    process = ServerProcess("Sentinel", command, tmp_path / "sentinel.log")
    process.launch()
    try:
        process.wait_until(lambda: answers(claim.port), START_TIMEOUT_MS)
        yield claim.port
    finally:
        process.kill()
        claim.release()


@pytest.mark.loss
def test_workers_follow_the_sentinels_to_another_primary(
    stage: Stage, replica: EmbeddedValkey, sentinel: int, loss: Loss
) -> None:
    """Whatever the replica had not got yet is made again, or restored."""
    accounts, now_ms = stage.accounts(), stage.clock.now_ms()
    stage.send(shop.balances(now_ms, accounts))
    settings = {
        # Nobody answers there: only the Sentinels know where the primary is.
        "RESERVATION_REDIS__URL": f"redis://{LOOPBACK}:1/0",
        "RESERVATION_REDIS__TOPOLOGY": "sentinel",
        "RESERVATION_REDIS__SENTINELS": f"{LOOPBACK}:1,{LOOPBACK}:{sentinel}",
        "RESERVATION_REDIS__SENTINEL_PRIMARY": PRIMARY,
    }
    worker = stage.start(settings=settings)
    worker.wait_until_ready()
    stage.send(shop.traffic(1, now_ms, accounts, ORDERS_EACH, "before"))
    stage.wait_until_settled()
    stage.send(shop.traffic(2, now_ms, accounts, ORDERS_EACH, "meanwhile"))
    stage.wait_until_something_is_published()
    loss.begins("a primary that dies behind a Sentinel")
    stage.valkey.kill()
    stage.valkey = replica
    with redis.Redis.from_url(replica.url) as client:
        wait_until(
            lambda: is_primary(client),
            timeout_ms=FAILOVER_TIMEOUT_MS,
            what="the Sentinel promotes the replica",
        )
    stage.send(shop.traffic(3, now_ms, accounts, ORDERS_EACH, "after"))
    loss.is_survived("after")
    assert worker.logged(SERVER_CHANGED)
    assert_agrees(verify(stage, settings=settings))
    assert 0 == worker.drain()


def test_sentinels_have_a_user_a_password_and_tls_of_their_own(
    stage: Stage, tmp_path: Path
) -> None:
    """They are other servers than the primary, which here has none of these.

    A changed password of theirs is read again, and a wrong one is said.
    """
    file, authority = tmp_path / "sentinel-password", Authority(tmp_path)
    file.write_text("hush-first", "utf-8")
    with (
        running_sentinel(stage, tmp_path) as port,
        redis.Redis(host=LOOPBACK, port=port) as client,
        TlsProxy(authority.issue("sentinel"), port) as secured,
    ):
        allow = ("ACL", "SETUSER", "asking", "on", "+@all")
        client.execute_command(*allow, ">hush-first")
        client.execute_command("ACL", "SETUSER", "default", "resetpass")
        settings = load_settings(
            None,
            {
                "redis": {
                    "url": f"redis://{LOOPBACK}:1/0",
                    "topology": "sentinel",
                    "sentinels": f"{LOOPBACK}:{secured.port}",
                    "sentinel_primary": PRIMARY,
                    "sentinel_username": "asking",
                    "sentinel_password": SecretFile(file),
                    "sentinel_tls": True,
                    "tls_ca_file": authority.certificate,
                    "attempts_max": 1,
                }
            },
        )
        assert build_store(settings).now_ms() > 0
        client.execute_command(*allow, "resetpass", ">hush-second")
        with pytest.raises(StoreUnavailable, match=r"\(redis.sentinel_password") as caught:
            build_store(settings).now_ms()
        assert LostReason.AUTHENTICATION == caught.value.reason
        assert "hush" not in str(caught.value)
        file.write_text("hush-second", "utf-8")
        assert build_store(settings).now_ms() > 0
