"""Another deployment's Redis, named by mistake: refused at once, and touched by nobody."""

import pytest

from reservation_worker.cli.exit_codes import ExitCode
from reservation_worker.embedded.port_claims import LOOPBACK
from reservation_worker.worker import Role
from tests.integration import shop
from tests.integration.conftest import NewStage
from tests.integration.processes import WorkerProcess
from tests.integration.stage import Stage
from tests.proxy import Proxy
from tests.waiting import wait_until

ORDERS_EACH = 20
NOTICE_TIMEOUT_MS = 30_000


@pytest.fixture
def own(new_stage: NewStage) -> Stage:
    """Open the stage whose Redis it is."""
    return new_stage(shards_total=2)


def states(stage: Stage) -> list[dict[str, str]]:
    """Return what stands in the meta of each shard, but for how far it has come."""
    with stage.redis() as client:
        found = [client.hgetall(f"{{s{shard}}}:meta") for shard in range(2)]
    return [{name: one[name] for name in ("deployment", "epoch", "server")} for one in found]


@pytest.mark.parametrize("role", [Role.APPLY, Role.ALL])
def test_a_start_on_it_is_refused(own: Stage, new_stage: NewStage, role: Role) -> None:
    """Its orders would be taken from the other one's stock, and published in its topics."""
    worker = own.open_shop()
    before = states(own)
    other = new_stage(shards_total=2)
    refused = other.start(role=role, settings={"RESERVATION_REDIS__URL": own.valkey.url})
    assert ExitCode.CHECK_FAILED == refused.exit_code()
    said = refused.log_path.read_text("utf-8")
    assert f"/{own.group_id}:" in said, "whose it is"
    assert "redis.key_prefix" in said, "what to set"
    assert before == states(own)
    own.sell(1, "after")
    own.wait_until_settled()
    own.assert_nothing_violated()
    assert 0 == worker.drain()


@pytest.fixture
def stranger(new_stage: NewStage) -> Stage:
    """Open the stage that comes to the other one's Redis by mistake."""
    return new_stage(shards_total=2)


def test_one_that_is_pointed_there_while_it_runs_stops_and_says_so(
    own: Stage, stranger: Stage
) -> None:
    """An address that changes its server: a name in the network, or a proxy, is turned."""
    own_worker = own.open_shop()
    before = states(own)
    with Proxy(stranger.valkey.port) as proxy:
        settings = {"RESERVATION_REDIS__URL": f"redis://{LOOPBACK}:{proxy.port}/0"}
        publishing = stranger.start("publish", role=Role.PUBLISH, settings=settings)
        applying = stranger.start("apply", role=Role.APPLY, settings=settings)
        publishing.wait_until_ready()
        proxy.turn_to(own.valkey.port)
        accounts, now_ms = stranger.accounts(), stranger.clock.now_ms()
        stranger.send(shop.traffic(1, now_ms, accounts, ORDERS_EACH, "strange"))
        wait_until_it_says_whose(publishing, own)
        wait_until_it_says_whose(applying, own)
        assert publishing.gauge("reservation_held_shards") == 2
        assert applying.gauge("reservation_foreign_shards") == 2
    own.sell(1, "meanwhile")
    own.wait_until_settled()
    assert before == states(own)
    own.assert_nothing_violated()
    assert 0 == own_worker.drain()


def wait_until_it_says_whose(worker: WorkerProcess, own: Stage) -> None:
    """Wait until the probe of a worker says whose the shards are."""
    wait_until(
        lambda: any(f"/{own.group_id}:" in one for one in worker.problems() or ()),
        timeout_ms=NOTICE_TIMEOUT_MS,
        what=f"{worker.log_path.name} says whose it is; it says {worker.problems()}",
    )


def test_two_share_a_server_on_purpose_by_a_prefix(own: Stage, new_stage: NewStage) -> None:
    """Each has its own keys, and neither sees the other's."""
    worker = own.open_shop()
    other = new_stage(shards_total=2)
    settings = {
        "RESERVATION_REDIS__URL": own.valkey.url,
        "RESERVATION_REDIS__KEY_PREFIX": "other:",
    }
    beside = other.start(settings=settings)
    beside.wait_until_ready()
    own.sell(1, "own")
    own.wait_until_settled()
    own.assert_nothing_violated()
    with own.redis() as client:
        assert f"{own.group_id}" in client.hget("{s0}:meta", "deployment")
        assert f"{other.group_id}" in client.hget("other:{s0}:meta", "deployment")
    assert [0, 0] == [worker.drain(), beside.drain()]
