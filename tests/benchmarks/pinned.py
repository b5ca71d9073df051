"""Which cores saturate, with how many workers: ``python -m tests.benchmarks.pinned --help``.

Servers and workers are given the cores that they may use; the producer and the reader share those
of the workers. The workers share the work before it comes. What is printed: facts per second from
the first transaction to the last, and how much of one core each kind of process used
meanwhile.
"""

import argparse
import json
import os
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from confluent_kafka.admin import AdminClient

from reservation_worker.benchmark import mix
from reservation_worker.benchmark.committed import done_of
from reservation_worker.benchmark.counting import count_changes
from reservation_worker.benchmark.stage import Reader, Stage, Stalled, send, stage
from reservation_worker.benchmark.throughput import count_stocks
from reservation_worker.benchmark.workers import workers

GROUPS = ("reservation-worker", "reservation-worker-shards")
SHARE_SECONDS_MAX = 60
SETTLE_SECONDS = 2
"""So long takes a worker to take its shards over."""


def main() -> None:
    """Print the figures of each run as JSON lines; the first run of each number is a warm-up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server-cores", default="0", help="such as 0 or 0,1")
    parser.add_argument("--worker-cores", default="1")
    parser.add_argument("--workers", default="1,2", help="how many at once, one after the other")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--orders", type=int, default=20_000, help="orders of one run's backlog")
    parser.add_argument("--accounts", type=int, default=8)
    arguments = parser.parse_args()
    print(json.dumps(vars(arguments)), flush=True)
    _stay_on(arguments.server_cores)
    with TemporaryDirectory() as directory, stage(Path(directory)) as found:
        _stay_on(arguments.worker_cores)
        shops = mix.Shops(arguments.accounts, "")
        count_stocks(found, mix.balances(shops, datetime.now(UTC)))
        for total in map(int, arguments.workers.split(",")):
            for run in range(arguments.runs + 1):
                figures = _backlog(found, arguments, total, f"{total}-{run}")
                label = run or "warm-up"
                print(json.dumps({"workers": total, "run": label, **figures}), flush=True)


def _stay_on(cores: str) -> None:
    """Let this process, and those that it starts from now on, use these cores only."""
    os.sched_setaffinity(0, set(map(int, cores.split(","))))


def _backlog(
    found: Stage, arguments: argparse.Namespace, total: int, name: str
) -> dict[str, float]:
    reader = Reader(found)
    shops = mix.Shops(arguments.accounts, name)
    with workers(found, total) as running:
        _wait_until_shared(found, total)
        process_ids = {f"worker {one}": one for one in running.process_ids}
        process_ids |= found.process_ids
        send(found, mix.day(shops, arguments.orders, datetime.now(UTC), 1))
        with done_of(found) as is_done:
            counted = count_changes(reader, process_ids, is_done)
    reader.close()
    busy: Counter[str] = Counter()
    for process, seconds in counted.processor_seconds.items():
        kind = "workers" if process.startswith("worker") else process
        busy[f"{kind}_cores"] += seconds / counted.seconds  # type: ignore[assignment]  # floats add up too
    rounded = {kind: round(cores, 2) for kind, cores in busy.items()}
    return {"facts_per_second": round(counted.per_second), **rounded}


def _wait_until_shared(found: Stage, total: int) -> None:
    """Wait until so many workers hold partitions and shards: a rebalance is not measured."""
    admin = AdminClient({"bootstrap.servers": found.bootstrap_servers})
    deadline = time.monotonic() + SHARE_SECONDS_MAX
    while time.monotonic() < deadline:
        groups = admin.describe_consumer_groups(list(GROUPS)).values()
        members = [group.result(SHARE_SECONDS_MAX).members for group in groups]
        if all(
            sum(bool(one.assignment.topic_partitions) for one in group) == total
            for group in members
        ):
            time.sleep(SETTLE_SECONDS)
            return
        time.sleep(0.2)
    raise Stalled(f"{total} workers do not share the work")


if __name__ == "__main__":
    main()
