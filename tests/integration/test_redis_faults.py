"""Redis dies, comes back, and comes back without what was published."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from reservation_worker.telemetry.log_events import SERVER_CHANGED, SHARD_HELD, SHARD_TAKEN_OVER
from reservation_worker.worker import Role
from tests.integration import shop
from tests.integration.processes import WorkerProcess
from tests.integration.stage import Stage, deadlines_of
from tests.waiting import wait_until

NOTICE_TIMEOUT_MS = 30_000
ORDERS_EACH = 60


def wait_for_problem(worker: WorkerProcess, words: str) -> None:
    """Wait until ``/readyz`` names a problem with these words."""
    wait_until(
        lambda: any(words in problem for problem in worker.problems() or ()),
        timeout_ms=NOTICE_TIMEOUT_MS,
        what=f"the worker says: {words}; it says {worker.problems()}",
    )


def test_killed_and_restarted_redis_delays_and_loses_nothing(stage: Stage) -> None:
    """Each answered write is on its disk: only what nobody was told of may be gone."""
    accounts, now_ms = stage.accounts(), stage.clock.now_ms()
    worker = stage.open_shop()
    for number in range(3):
        stage.send(shop.traffic(number, now_ms, accounts, ORDERS_EACH, f"load-{number}"))
        stage.wait_until_something_is_published()
        stage.valkey.kill()
        if number == 1:
            wait_for_problem(worker, "Redis does not answer")
        stage.valkey.start()
    stage.wait_until_settled()
    stage.assert_every_law_holds()
    assert worker.logged(SERVER_CHANGED)
    assert 0 == worker.drain()


def test_unpublished_steps_that_redis_lost_are_made_again(stage: Stage, tmp_path: Path) -> None:
    """What is not published is not committed either: so it is still there to be read again."""
    assert 0 == stage.open_shop().drain()
    accounts, now_ms = stage.accounts(), stage.clock.now_ms()
    _copy_file(stage, tmp_path / "older")
    publishing = stage.start("publish", role=Role.PUBLISH)
    wait_until(
        lambda: len(publishing.logged(SHARD_TAKEN_OVER)) == len(accounts),
        timeout_ms=NOTICE_TIMEOUT_MS,
        what="every shard has an owner",
    )
    publishing.kill()
    applying = stage.start("apply", role=Role.APPLY)
    stage.send(shop.traffic(1, now_ms, accounts, ORDERS_EACH, "lost"))
    wait_until(
        lambda: stage.unpublished_shards() == list(range(len(accounts))),
        timeout_ms=NOTICE_TIMEOUT_MS,
        what="every shard has something to publish",
    )
    stage.send(shop.traffic(2, now_ms, accounts, ORDERS_EACH, "lost as well"))
    _restore_older_file(stage, tmp_path / "older")
    publishing = stage.start("publish", role=Role.PUBLISH)
    stage.wait_until_settled()
    stage.assert_every_law_holds()
    assert [0, 0] == [applying.drain(), publishing.drain()]


def test_poison_that_comes_while_redis_is_down_is_not_lost(stage: Stage) -> None:
    """An outage is never a dead letter, and a dead letter waits for the good facts before it."""
    accounts, now_ms = stage.accounts(), stage.clock.now_ms()
    worker = stage.open_shop()
    stage.valkey.kill()
    poison = [shop.bare("order-completed", account=name, order_id="poison") for name in accounts]
    good = shop.traffic(1, now_ms, accounts, ORDERS_EACH, "good")
    committed_before = stage.cluster.committed_offsets(stage.group_id)
    stage.send([*good, *poison])
    wait_for_problem(worker, "Redis does not answer")
    worker.kill()
    successor = stage.start()
    stage.valkey.start()
    stage.wait_until_settled()
    stage.assert_every_law_holds()
    letters = [record for record in stage.outputs() if "dead-letter" in record.topic]
    assert len(poison) == sum(record.value == poison[0].value for record in letters) * len(accounts)
    assert committed_before != stage.cluster.committed_offsets(stage.group_id)
    assert 0 == successor.drain()


def _flush(stage: Stage, _older: Path) -> None:
    with stage.redis() as client:
        client.flushall()


def _restore_older_file(stage: Stage, older: Path) -> None:
    stage.valkey.kill()
    shutil.rmtree(stage.valkey.directory / "appendonlydir")
    shutil.copytree(older, stage.valkey.directory / "appendonlydir")
    stage.valkey.start()


@pytest.mark.parametrize("lose", [_flush, _restore_older_file])
def test_nothing_is_decided_on_a_redis_that_misses_what_was_published(
    stage: Stage, tmp_path: Path, lose: Callable[[Stage, Path], None]
) -> None:
    """Its stocks are older than the orders sold from them: deciding on them sells units twice.

    The worker stops, says so, and goes on by itself once the right state is back.
    """
    accounts, now_ms = stage.accounts(), stage.clock.now_ms()
    worker = stage.open_shop()
    _copy_file(stage, tmp_path / "older")
    worker.wait_until_ready()
    stage.send(shop.traffic(1, now_ms, accounts, ORDERS_EACH, "before"))
    stage.wait_until_time(deadlines_of(now_ms))
    stage.wait_until_settled()
    _copy_file(stage, tmp_path / "newest")
    worker.wait_until_ready()
    published_before = len(stage.outputs())
    committed_before = stage.cluster.committed_offsets(stage.group_id)
    lose(stage, tmp_path / "older")
    stage.send(shop.traffic(2, now_ms, accounts, ORDERS_EACH, "after"))
    wait_until(
        lambda: len({line["shard"] for line in worker.logged(SHARD_HELD)}) == len(accounts),
        timeout_ms=NOTICE_TIMEOUT_MS,
        what="every shard is held",
    )
    wait_for_problem(worker, "must be rebuilt")
    assert published_before == len(stage.outputs())
    assert committed_before == stage.cluster.committed_offsets(stage.group_id)
    _restore_older_file(stage, tmp_path / "newest")
    stage.wait_until_settled()
    stage.assert_every_law_holds()
    assert 0 == worker.drain()


def test_shard_that_misses_what_was_published_does_not_stop_the_others(stage: Stage) -> None:
    """One damaged shop must not close all shops."""
    accounts, now_ms = stage.accounts(), stage.clock.now_ms()
    worker = stage.open_shop()
    damaged, *whole = accounts
    with stage.redis() as client:
        client.delete(*client.keys("{s0}:*"))
    wait_for_problem(worker, "Shard 0: ")
    orders = shop.traffic(1, now_ms, whole, ORDERS_EACH, "others")
    stage.send([*orders, *shop.traffic(2, now_ms, [damaged], 10, "damaged")])
    ids = {f"others-{number}" for number in range(ORDERS_EACH)}
    wait_until(
        lambda: ids <= {body["order_id"] for body in stage.bodies("reservation-changed")},
        timeout_ms=NOTICE_TIMEOUT_MS,
        what="the other shards publish",
    )
    accounts_seen = {body["account"] for body in stage.bodies("reservation-changed")}
    assert set(whole) == accounts_seen
    assert worker.problems()


def _copy_file(stage: Stage, to: Path) -> None:
    stage.valkey.kill()
    shutil.copytree(stage.valkey.directory / "appendonlydir", to)
    stage.valkey.start()
