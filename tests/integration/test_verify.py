"""``verify`` beside a worker: no false alarm, whatever is in flight."""

from collections import Counter
from threading import Event, Thread
from typing import Self

from tests.integration import shop
from tests.integration.stage import Stage
from tests.integration.verifying import assert_agrees, verify

PASSES = 5
ORDERS_EACH = 40
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
        accounts = self._stage.accounts()
        while not self._ended.is_set():
            now_ms = self._stage.clock.now_ms()
            name = f"load-{self.loads}"
            load = shop.traffic(self.loads, now_ms, accounts, ORDERS_EACH, name)
            self._stage.cluster.send(self._stage.topics, load)
            self.loads += 1
            # No faster than the worker: what is compared must come to be published.
            self._ended.wait(0.5)


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
