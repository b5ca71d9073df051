"""A group that was renamed: nothing is published twice, and a command hands its state over."""

from pathlib import Path

from reservation_worker.cli.exit_codes import ExitCode
from tests.cli.command import CommandLine
from tests.integration import shop
from tests.integration.stage import Stage
from tests.waiting import wait_until

ORDERS_EACH = 20
TIMEOUT_MS = 60_000


def test_a_renamed_group_does_not_start_before_it_is_told_to_adopt(
    stage: Stage, tmp_path: Path
) -> None:
    """While old workers may still run, two groups would publish every change twice."""
    former = stage.open_shop()
    renamed = {"RESERVATION_KAFKA__GROUP_ID": f"{stage.group_id}-renamed"}
    refused = stage.start("renamed", settings=renamed)
    assert ExitCode.CHECK_FAILED == refused.exit_code()
    assert "--adopt" in refused.log_path.read_text("utf-8")
    assert 0 == former.drain()
    command = CommandLine({**stage.variables, **renamed})
    log = tmp_path / "adopt.log"
    adopting = command.start("rebuild", "--all", "--adopt", "--yes", log=log)
    try:
        wait_until(
            lambda: (
                adopting.poll() is not None
                or _is_adopted(stage, renamed["RESERVATION_KAFKA__GROUP_ID"])
            ),
            timeout_ms=TIMEOUT_MS,
            what=f"the shards are the new group's: {log.read_text('utf-8')}",
        )
        assert adopting.poll() is None, log.read_text("utf-8")
        worker = stage.start("renamed", settings=renamed)
        worker.wait_until_ready()
        assert 0 == adopting.wait(TIMEOUT_MS / 1000), log.read_text("utf-8")
    finally:
        adopting.kill()
        adopting.wait()
    assert {0, 1, 2, 3} == worker.rebuilt_shards()
    stage.group_id = renamed["RESERVATION_KAFKA__GROUP_ID"]
    now_ms = stage.clock.now_ms()
    stage.send(shop.traffic(1, now_ms, stage.accounts(), ORDERS_EACH, "after"))
    stage.wait_until_settled()
    stage.assert_nothing_violated()
    assert 0 == worker.drain()


def test_a_rebuild_by_hand_adopts_nothing_unasked(stage: Stage) -> None:
    """A Redis that has lost all says nothing of the former group; the topics still do."""
    assert 0 == stage.open_shop().drain()
    stage.empty_redis()
    renamed = {"RESERVATION_KAFKA__GROUP_ID": f"{stage.group_id}-renamed"}
    worker = stage.start("renamed", settings=renamed)

    def is_held() -> bool:
        return any("--adopt" in problem for problem in worker.problems() or ())

    wait_until(is_held, timeout_ms=TIMEOUT_MS, what="it does not publish what is another's")
    command = CommandLine({**stage.variables, **renamed})
    rebuild = ("rebuild", "--all", "--yes")
    unasked = command(*rebuild, "--timeout-seconds", "4")
    assert ExitCode.CHECK_FAILED == unasked.code, unasked.stderr
    assert set() == worker.rebuilt_shards()
    assert is_held()
    asked = command(*rebuild, "--adopt")
    assert ExitCode.OK == asked.code, asked.stderr
    assert {0, 1, 2, 3} == worker.rebuilt_shards()
    worker.wait_until_ready()
    assert 0 == worker.drain()


def _is_adopted(stage: Stage, group_id: str) -> bool:
    with stage.redis() as client:
        return all(
            (client.hget(f"{{s{shard}}}:meta", "deployment") or "").endswith(f"/{group_id}")
            for shard in range(4)
        )
