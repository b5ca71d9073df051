"""Workers come and go while traffic runs."""

from collections.abc import Callable

import pytest

from reservation_worker.telemetry.log_events import SHARD_TAKEN_OVER
from tests.integration import shop
from tests.integration.conftest import NewStage
from tests.integration.processes import WorkerProcess
from tests.integration.stage import Stage
from tests.waiting import wait_until

ORDERS_EACH = 12
LOAD_INTERVAL_MS = 100
SHARE_TIMEOUT_MS = 60_000
TOGETHER_MAX = 3
"""So many workers run at once: each topic that they read has a partition for each of them."""


class SteadyTraffic:
    """A small load every moment, for as long as a test waits for something."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._accounts = stage.accounts()
        self._loads_total = 0
        self._next_at_ms = 0

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Send, until a condition holds."""

        def holds() -> bool:
            self._send_if_due()
            return condition()

        wait_until(holds, timeout_ms=SHARE_TIMEOUT_MS, what=f"{what}\n{self._stage.last_words()}")

    def _send_if_due(self) -> None:
        now_ms = self._stage.clock.monotonic_ms()
        if now_ms < self._next_at_ms:
            return
        self._next_at_ms = now_ms + LOAD_INTERVAL_MS
        self._loads_total += 1
        number, at_ms = self._loads_total, self._stage.clock.now_ms()
        self._stage.send(shop.traffic(number, at_ms, self._accounts, ORDERS_EACH, f"load-{number}"))


def works(worker: WorkerProcess) -> bool:
    """Whether it has owned a shard and has applied facts."""
    return bool(worker.logged(SHARD_TAKEN_OVER)) and worker.facts_total() > 0


@pytest.mark.parametrize("rebalancing", ["eager", "cooperative", "consumer"])
def test_reader_sees_each_change_once_while_workers_join_leave_and_die(
    new_stage: NewStage, rebalancing: str
) -> None:
    """Whoever owned a partition or a shard before must leave nothing half done, in any protocol.

    Each of the workers does a part of the work, or the test would prove nothing of it.
    """
    stage = new_stage(
        input_partitions=TOGETHER_MAX, settings={"RESERVATION_KAFKA__REBALANCING": rebalancing}
    )
    first = stage.open_shop("first")
    traffic = SteadyTraffic(stage)
    second, third = stage.start("second"), stage.start("third")
    traffic.until(lambda: all(map(works, (first, second, third))), "three workers work")
    first.ask_to_end()
    traffic.until(lambda: not first.runs, "the first one leaves")
    assert 0 == first.exit_code()
    third.kill()
    # In the dead one's slot, whose transaction may still be open.
    again = stage.start("third")
    traffic.until(lambda: works(again), "the one that was killed works again")
    last = stage.start("first")
    traffic.until(lambda: works(last), "so does the one that had left")
    stage.wait_until_shared_by(TOGETHER_MAX)
    stage.wait_until_settled()
    stage.assert_every_law_holds()
    assert [0, 0, 0] == [worker.drain() for worker in (second, again, last)]


def test_input_partitions_may_be_added_while_traffic_runs(new_stage: NewStage) -> None:
    """Any record may be in any partition; deadlines wait for payments of the new ones too."""
    often = str(LOAD_INTERVAL_MS)
    stage = new_stage(settings={"RESERVATION_KAFKA__METADATA_REFRESH_INTERVAL_MS": often})
    first = stage.open_shop("first")
    stage.sell(1, "before")
    partitions_each = 2 * stage.topics.input_partitions
    partitions_total = partitions_each * len(stage.topics.inputs)
    stage.cluster.add_input_partitions(stage.topics, partitions_each)
    SteadyTraffic(stage).until(
        lambda: len(stage.committed_offsets()) == partitions_total, "new partitions are read"
    )
    second = stage.start("second")
    second.wait_until_ready()
    stage.wait_until_settled()
    stage.assert_every_law_holds()
    assert [0, 0] == [first.drain(), second.drain()]
