"""Redis dies, comes back, and comes back without what was published."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from reservation_worker.telemetry.log_events import (
    SERVER_CHANGED,
    SHARD_HELD,
    SHARD_TAKEN_OVER,
)
from reservation_worker.worker import Role
from tests.integration import shop
from tests.integration.losing import Loss
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


@pytest.mark.loss
def test_killed_and_restarted_redis_delays_and_loses_nothing(stage: Stage, loss: Loss) -> None:
    """Each answered write is on its disk: only what nobody was told of may be gone."""
    accounts, now_ms = stage.accounts(), stage.clock.now_ms()
    worker = stage.open_shop()
    for number in range(3):
        stage.send(shop.traffic(number, now_ms, accounts, ORDERS_EACH, f"load-{number}"))
        stage.wait_until_something_is_published()
        loss.begins("killed, each answered write on the disk")
        stage.valkey.kill()
        if number == 1:
            wait_for_problem(worker, "Redis is lost")
        stage.valkey.start()
    stage.send(shop.traffic(3, now_ms, accounts, ORDERS_EACH, "after"))
    loss.is_survived("after")
    assert worker.logged(SERVER_CHANGED)
    assert 0 == worker.drain()


@pytest.mark.loss
def test_unpublished_steps_that_redis_lost_are_made_again(
    stage: Stage, tmp_path: Path, loss: Loss
) -> None:
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
    loss.begins("all that was not published, nothing else")
    _restore_older_file(stage, tmp_path / "older")
    publishing = stage.start("publish", role=Role.PUBLISH)
    stage.send(shop.traffic(3, now_ms, accounts, ORDERS_EACH, "after"))
    loss.is_survived("after")
    assert [0, 0] == [applying.drain(), publishing.drain()]


def test_poison_that_comes_while_redis_is_down_is_not_lost(stage: Stage) -> None:
    """An outage is never a dead letter, and a dead letter waits for the good facts before it."""
    accounts, now_ms = stage.accounts(), stage.clock.now_ms()
    worker = stage.open_shop()
    stage.valkey.kill()
    poison = [shop.bare("order-completed", account=name, order_id="poison") for name in accounts]
    good = shop.traffic(1, now_ms, accounts, ORDERS_EACH, "good")
    committed_before = stage.committed_offsets()
    stage.send([*good, *poison])
    wait_for_problem(worker, "Redis is lost")
    worker.kill()
    successor = stage.start()
    stage.valkey.start()
    stage.wait_until_settled()
    stage.assert_every_law_holds()
    letters = [record for record in stage.outputs() if "dead-letter" in record.topic]
    assert len(poison) == sum(record.value == poison[0].value for record in letters) * len(accounts)
    assert committed_before != stage.committed_offsets()
    assert 0 == successor.drain()


def _flush(stage: Stage, _older: Path) -> None:
    stage.empty_redis()


def _restore_older_file(stage: Stage, older: Path) -> None:
    _exchange_file(stage, older)


def _empty_disk(stage: Stage, _older: Path) -> None:
    _exchange_file(stage, None)


def _cut_off_the_last_writes(stage: Stage, older: Path) -> None:
    """What was answered, and not on the disk yet, when the machine lost its power.

    Everything since the older moment, but for the beginning of one write.
    """
    stage.valkey.kill()
    (written,) = (stage.valkey.directory / "appendonlydir").glob("*.incr.aof")
    (before,) = older.glob("*.incr.aof")
    with written.open("r+b") as file:
        file.truncate(before.stat().st_size + 100)
    stage.valkey.start()


def _tear_every_shard(stage: Stage, _older: Path) -> None:
    with stage.redis() as client:
        for key in client.keys("{s*}:meta"):
            client.hset(key, "writing", "1")


LOSSES: dict[str, Callable[[Stage, Path], None]] = {
    "FLUSHALL": _flush,
    "an older append-only file put back": _restore_older_file,
    "killed before the last second was on the disk": _cut_off_the_last_writes,
    "an empty disk": _empty_disk,
    "a step torn in every shard": _tear_every_shard,
}


@pytest.mark.loss
@pytest.mark.parametrize("way", LOSSES)
def test_what_redis_loses_of_what_was_published_is_rebuilt(
    stage: Stage, tmp_path: Path, loss: Loss, way: str
) -> None:
    """Its stocks are older than the orders sold from them: deciding on them sells units twice.

    Every shard is dropped and restored from the topics, under traffic, and the auditor finds
    nothing.
    """
    accounts, now_ms = stage.accounts(), stage.clock.now_ms()
    worker = stage.open_shop()
    _copy_file(stage, tmp_path / "older")
    stage.send(shop.traffic(1, now_ms, accounts, ORDERS_EACH, "before"))
    stage.wait_until_time(deadlines_of(now_ms))
    stage.wait_until_settled()
    stage.send(shop.traffic(2, now_ms, accounts, ORDERS_EACH, "meanwhile"))
    stage.wait_until_something_is_published()
    loss.begins(way)
    LOSSES[way](stage, tmp_path / "older")
    stage.send(shop.traffic(3, now_ms, accounts, ORDERS_EACH, "after"))
    loss.is_survived("after")
    assert set(range(len(accounts))) == worker.rebuilt_shards()
    assert not worker.logged(SHARD_HELD)
    assert 0 == worker.drain()


@pytest.mark.loss
def test_one_shard_that_is_lost_is_rebuilt_alone(stage: Stage, loss: Loss) -> None:
    """One damaged shop must not close all shops."""
    accounts, now_ms = stage.accounts(), stage.clock.now_ms()
    worker = stage.open_shop()
    loss.begins("the keys of one shard deleted")
    with stage.redis() as client:
        client.delete(*client.keys("{s0}:*"))
    stage.send(shop.traffic(1, now_ms, accounts, ORDERS_EACH, "after"))
    loss.is_survived("after")
    assert {0} == worker.rebuilt_shards()
    assert 0 == worker.drain()


@pytest.mark.loss
def test_a_command_that_is_revoked_in_the_middle_of_a_step(stage: Stage, loss: Loss) -> None:
    """Some of its writes are in effect; what they were part of nobody knows any more."""
    accounts, now_ms = stage.accounts(), stage.clock.now_ms()
    worker = stage.open_shop()
    with stage.redis() as client:
        # The outbox entry is written last.
        loss.begins("a command revoked in the middle of a step")
        client.execute_command("ACL", "SETUSER", "default", "-set")
        stage.send(shop.traffic(1, now_ms, accounts, ORDERS_EACH, "revoked"))
        wait_for_problem(worker, "no right to the command SET")
        client.execute_command("ACL", "SETUSER", "default", "+set")
    loss.is_survived("revoked")
    assert worker.rebuilt_shards()
    assert 0 == worker.drain()


@pytest.mark.loss
def test_memory_that_is_full_delays_and_loses_nothing(stage: Stage, loss: Loss) -> None:
    """Redis refuses to write; whoever makes room is all that it takes to go on."""
    accounts, now_ms = stage.accounts(), stage.clock.now_ms()
    worker = stage.open_shop()
    stage.send(shop.traffic(1, now_ms, accounts, ORDERS_EACH, "before"))
    stage.wait_until_something_is_published()
    loss.begins("maxmemory reached")
    with stage.redis() as client:
        client.config_set("maxmemory", "1mb")
        stage.send(shop.traffic(2, now_ms, accounts, ORDERS_EACH, "after"))
        wait_for_problem(worker, "Redis is lost")
        client.config_set("maxmemory", "0")
    loss.is_survived("after")
    assert not worker.logged(SHARD_HELD)
    assert 0 == worker.drain()


@pytest.mark.loss
def test_positions_that_are_gone_are_found_again(stage: Stage, loss: Loss) -> None:
    """Somebody deleted the offsets of the group that owns shards: no event id may come twice."""
    accounts, now_ms = stage.accounts(), stage.clock.now_ms()
    assert 0 == stage.open_shop().drain()
    loss.begins("the positions of all shards deleted in Kafka")
    stage.cluster.delete_offsets(f"{stage.group_id}-shards")
    worker = stage.start()
    stage.send(shop.traffic(1, now_ms, accounts, ORDERS_EACH, "after"))
    loss.is_survived("after")
    assert set(range(len(accounts))) == worker.rebuilt_shards()
    assert 0 == worker.drain()
    successor = stage.start()
    successor.wait_until_ready()
    assert 0 == successor.drain()
    assert not successor.rebuilt_shards()


def _exchange_file(stage: Stage, other: Path | None) -> None:
    stage.valkey.kill()
    shutil.rmtree(stage.valkey.directory / "appendonlydir")
    if other is not None:
        shutil.copytree(other, stage.valkey.directory / "appendonlydir")
    stage.valkey.start()


def _copy_file(stage: Stage, to: Path) -> None:
    stage.valkey.kill()
    shutil.copytree(stage.valkey.directory / "appendonlydir", to)
    stage.valkey.start()
