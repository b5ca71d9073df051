"""How soon a dead worker is replaced: ``python -m tests.benchmarks.replaced --help``.

Two workers with the default settings share sixteen shards on real servers. One of them ends in some
way; orders are sent all the time, to an account of every shard. What is printed: how many seconds
after that the last order was seen that had to wait for more than a second.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from reservation_worker.embedded.kafka import EmbeddedKafka
from reservation_worker.settings.names import all_settings
from tests.integration import shop
from tests.integration.processes import WorkerProcess
from tests.integration.stage import QUICK_SETTINGS, Stage, open_stage
from tests.reader import QUIET

SHARDS_TOTAL = 16
INPUT_PARTITIONS = 6
TICK_SECONDS = 0.05
LIMIT_SECONDS = 120
LATE_SECONDS = 1.0
SETTLED_SECONDS = 3.0
ORDERS_PER_TICK = {"idle": 0, "busy": 4}
"""To each account; from the end on one more at every fifth tick."""
KEPT_QUICK = {"RESERVATION_HTTP__PORT"}


def main() -> None:
    """Print the figures of each run, and of each way to end, as JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--ways", default=",".join(WAYS), help=f"of {', '.join(WAYS)}")
    arguments = parser.parse_args()
    with TemporaryDirectory() as directory:
        place = Path(directory)
        with EmbeddedKafka(place / "kafka") as kafka:
            for way in arguments.ways.split(","):
                found = [_run(kafka.bootstrap_servers, place, way) for _ in range(arguments.runs)]
                print(
                    json.dumps(
                        {
                            "way": way,
                            "seconds": found,
                            "min": min(found),
                            "median": median(found),
                            "max": max(found),
                        }
                    ),
                    flush=True,
                )


_NUMBERS = count(1)


def _run(bootstrap_servers: str, place: Path, way: str) -> float:
    directory = place / f"run-{next(_NUMBERS)}"
    directory.mkdir()
    with open_stage(
        bootstrap_servers,
        directory,
        "replaced",
        shards_total=SHARDS_TOTAL,
        input_partitions=INPUT_PARTITIONS,
        settings=_defaults(),
    ) as stage:
        load, end = WAYS[way]
        alone = end is _killed_and_started_again
        workers = [stage.open_shop("first"), *([] if alone else [stage.start("second")])]
        if not alone:
            workers[1].wait_until_ready()
            stage.wait_until_shared_by(2)
        with _reader(stage) as reader:
            return Outage(stage, reader, ORDERS_PER_TICK[load]).measure(lambda: end(stage, workers))


class Outage:
    """Sends orders all the time, and looks for what they cause."""

    def __init__(self, stage: Stage, reader: Consumer, orders_per_tick: int) -> None:
        self._stage = stage
        self._reader = reader
        self._accounts = stage.accounts()
        self._orders_per_tick = orders_per_tick
        self._tick = 0
        self._unseen: dict[tuple[str, str], float] = {}
        """By account and order, when it was sent."""
        self._last_late_at = 0.0
        self._in_time_since = 0.0

    def measure(self, end: Callable[[], WorkerProcess]) -> float:
        """End a worker; return after how many seconds no order had to wait any more."""
        for _ in range(40):
            self._turn(is_probed=self._orders_per_tick > 0)
        # What was sent before the reader had found its place is never seen.
        self._unseen.clear()
        ended = end()
        ended_at = self._last_late_at = self._in_time_since = time.monotonic()
        while ended.runs or time.monotonic() - self._in_time_since < SETTLED_SECONDS:
            self._turn(is_probed=True)
            assert time.monotonic() - ended_at < LIMIT_SECONDS, self._stage.last_words()
        return round(self._last_late_at - ended_at, 1)

    def _turn(self, *, is_probed: bool) -> None:
        self._tick += 1
        orders = self._orders_per_tick + (is_probed and self._tick % 5 == 0)
        now_ms, sent_at = self._stage.clock.now_ms(), time.monotonic()
        sent = [
            (account, f"{self._tick}-{number}")
            for account in self._accounts
            for number in range(orders)
        ]
        line = {"line_id": "1", "warehouse_id": "main", "sku": "cup", "quantity": 1}
        completed_at = shop.instant(now_ms)
        self._unseen.update(dict.fromkeys(sent, sent_at))
        self._stage.cluster.send(
            self._stage.topics,
            [
                shop.bare(
                    "order-completed",
                    account=account,
                    order_id=order_id,
                    completed_at=completed_at,
                    lines=[line],
                )
                for account, order_id in sent
            ],
        )
        for message in self._reader.consume(5_000, TICK_SECONDS):
            if message.error() is None:
                self._see(json.loads(message.value() or b"{}"))
        oldest = min(self._unseen.values(), default=time.monotonic())
        if time.monotonic() - oldest > LATE_SECONDS:
            self._in_time_since = time.monotonic()

    def _see(self, body: dict[str, str]) -> None:
        sent_at = self._unseen.pop((body["account"], body["order_id"]), None)
        if sent_at is not None and time.monotonic() - sent_at > LATE_SECONDS:
            self._last_late_at = time.monotonic()


def _killed(_stage: Stage, workers: list[WorkerProcess]) -> WorkerProcess:
    workers[0].kill()
    return workers[0]


def _asked_to_end(_stage: Stage, workers: list[WorkerProcess]) -> WorkerProcess:
    workers[0].ask_to_end()
    return workers[0]


def _killed_and_started_again(stage: Stage, workers: list[WorkerProcess]) -> WorkerProcess:
    workers[0].kill()
    stage.start("first")
    return workers[0]


WAYS: dict[str, tuple[str, Callable[[Stage, list[WorkerProcess]], WorkerProcess]]] = {
    "kill-idle": ("idle", _killed),
    "kill-busy": ("busy", _killed),
    "term-busy": ("busy", _asked_to_end),
    "again-busy": ("busy", _killed_and_started_again),
}
"""How a worker ends, and whether it was busy; the last one is alone, and comes back by its name."""


@contextmanager
def _reader(stage: Stage) -> Iterator[Consumer]:
    consumer = Consumer(
        {
            "bootstrap.servers": stage.cluster.bootstrap_servers,
            "group.id": "replaced",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 20,
            **QUIET,
        }
    )
    name = stage.topics.name("reservation-changed")
    consumer.assign([TopicPartition(name, shard, OFFSET_END) for shard in range(SHARDS_TOTAL)])
    try:
        yield consumer
    finally:
        consumer.close()


def _defaults() -> dict[str, str]:
    """Undo what makes the other tests quick."""
    return {
        setting.variable: str(setting.default)
        for setting in all_settings()
        if setting.variable in QUICK_SETTINGS.keys() - KEPT_QUICK and setting.path != ("accounts",)
    }


if __name__ == "__main__":
    main()
