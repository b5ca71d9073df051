"""``verify`` beside a worker: no false alarm, whatever is in flight."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread
from typing import Self

from reservation_worker.worker import Role
from tests.cli.command import CommandLine
from tests.integration import shop
from tests.integration.stage import Stage
from tests.integration.verifying import TIMEOUT_SECONDS, assert_agrees, verify
from tests.waiting import wait_until

PASSES = 5
ORDERS_EACH = 40
LOADS_BEFORE = 3
PAUSE_SECONDS = 0.05
LAG_RECORDS_MAX = 200
LOSSES = 2
TIMEOUT_MS = 60_000
CHECKS = {
    "event_ids",
    "versions",
    "lines",
    "buckets",
    "sums",
    "reservations",
    "stocks",
    "indexes",
    "outbox",
    "position",
}


class Traffic:
    """Sends loads one after the other until the block ends."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._ended = Event()
        self._thread = Thread(target=self._send)
        self.loads = 0

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End with the load that is being sent."""
        self._ended.set()
        self._thread.join()

    def _send(self) -> None:
        stage, accounts = self._stage, self._stage.accounts()
        while not self._ended.wait(PAUSE_SECONDS):
            ends = stage.cluster.end_offsets(stage.topics.inputs)
            if sum(ends.values()) - sum(stage.committed_offsets().values()) > LAG_RECORDS_MAX:
                continue  # What is compared must come to be published, on any machine.
            now_ms = stage.clock.now_ms()
            name = f"load-{self.loads}"
            load = shop.traffic(self.loads, now_ms, accounts, ORDERS_EACH, name)
            stage.cluster.send(stage.topics, load)
            self.loads += 1


def test_passes_under_traffic_find_nothing_wrong(stage: Stage) -> None:
    """Orders, deadlines and settlements go on in every shard; something is checked of each kind."""
    worker = stage.open_shop()
    checked: Counter[str] = Counter()
    with Traffic(stage) as traffic:
        for _ in range(PASSES):
            loads_before = traffic.loads
            verified = verify(stage)
            assert_agrees(verified)
            checked.update(verified.checked)
            assert traffic.loads > loads_before
    assert CHECKS == {name for name, times in checked.items() if times}
    stage.wait_until_settled()
    assert_agrees(verify(stage))
    assert 0 == worker.drain()
    assert_agrees(verify(stage))


def test_what_is_lost_and_rebuilt_meanwhile_is_waited_for(stage: Stage) -> None:
    """Redis loses everything in the middle of a pass; the pass is begun again when it is whole."""
    worker = stage.open_shop()
    with Traffic(stage) as traffic, ThreadPoolExecutor(1) as beside:
        wait_until(lambda: traffic.loads > LOADS_BEFORE, timeout_ms=TIMEOUT_MS, what="traffic")
        for number in range(LOSSES):
            verifying = beside.submit(verify, stage)
            wait_until(
                lambda: verifying.done() or traffic.loads > LOADS_BEFORE + 2 * number,  # noqa: B023 - called now
                timeout_ms=TIMEOUT_MS,
                what="a pass is under way",
            )
            stage.empty_redis()
            assert_agrees(verifying.result(TIMEOUT_SECONDS))
    stage.wait_until_settled()
    assert worker.rebuilt_shards() == set(range(stage.topics.shards_total))
    assert 0 == worker.drain()


def test_owners_that_come_and_go_meanwhile_are_no_difference(stage: Stage) -> None:
    """One is killed, its transaction open or not, and another takes its shards over."""
    stage.open_shop()
    stage.start("two").wait_until_ready()
    with Traffic(stage) as traffic, ThreadPoolExecutor(1) as beside:
        for number in range(LOSSES):
            victim = stage.start(f"victim-{number}")
            victim.wait_until_ready()
            loads_before = traffic.loads
            verifying = beside.submit(verify, stage)
            wait_until(
                lambda: traffic.loads > loads_before + 1,  # noqa: B023 - called now
                timeout_ms=TIMEOUT_MS,
                what="a pass is under way",
            )
            victim.kill()
            assert_agrees(verifying.result(TIMEOUT_SECONDS))


def test_what_waits_to_be_published_without_a_worker_cannot_be_verified(stage: Stage) -> None:
    """It is in flight for ever: nothing is wrong, and nothing can be said."""
    assert 0 == stage.open_shop().drain()
    publishing = stage.start("publish", role=Role.PUBLISH)
    publishing.wait_until_ready()
    publishing.kill()
    applying = stage.start("apply", role=Role.APPLY)
    stage.sell(1, "unpublished")
    shards = list(range(stage.topics.shards_total))
    wait_until(
        lambda: stage.unpublished_shards() == shards,
        timeout_ms=TIMEOUT_MS,
        what="every shard has something to publish",
    )
    verified = verify(stage, "--shard", "0", "--timeout-seconds", "1")
    assert (3, [], ["0"]) == (
        *(verified.ended.code, verified.differences, list(verified.unverified)),
    )
    assert "Is a worker running?" in verified.ended.stderr
    successor = stage.start("publish", role=Role.PUBLISH)
    stage.wait_until_settled()
    assert_agrees(verify(stage))
    assert [0, 0] == [applying.drain(), successor.drain()]


def test_nothing_to_verify_is_no_difference(stage: Stage) -> None:
    """No worker has ever run; and a repair needs a reason, whether it is needed or not."""
    assert_agrees(verify(stage))
    command = CommandLine(stage.variables)
    assert 2 == command("verify", "--repair").code
    assert 2 == command("verify", "--shard", str(stage.topics.shards_total)).code


def test_shard_that_cannot_be_marked_is_not_said_to_be_rebuilt(stage: Stage) -> None:
    """Its meta is gone, and no worker runs: nobody has rebuilt anything."""
    assert 0 == stage.open_shop().drain()
    with stage.redis() as client:
        client.delete("{s0}:meta")
    command = CommandLine(stage.variables, TIMEOUT_SECONDS)
    asked = ("--shard", "0", "--timeout-seconds", "0", "--repair", "--reason", "tried", "--yes")
    ended = command("verify", *asked)
    assert 3 == ended.code, ended.stderr
    assert "Shard 0 has no owner yet: start a worker" in ended.stderr
    assert "Rebuilt" not in ended.stderr
