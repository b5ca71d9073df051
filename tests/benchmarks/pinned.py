"""Which cores saturate, with how many workers: ``python -m tests.benchmarks.pinned --help``.

Servers and workers are given the cores that they may use; the producer and the reader share those
of the workers. The workers share the work before it comes. What is printed: facts per second from
the first change that was read to the last, and how much of one core each kind of process used
meanwhile, a second at the end included.
"""

import argparse
import json
import os
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from confluent_kafka.admin import AdminClient

from reservation_worker.benchmark import mix
from reservation_worker.benchmark.stage import Reader, Stage, Stalled, send, stage, worker
from tests.benchmarks.costs import processor_seconds
from tests.benchmarks.measure import count_all_stocks

GROUPS = ("reservation-worker", "reservation-worker-shards")
SHARE_SECONDS_MAX = 60
SETTLE_SECONDS = 2
"""So long takes a worker to take its shards over."""
KINDS = {
    "redis": ("valkey-server", "redis-server"),
    "broker": ("kafka.Kafka",),
    "workers": ("--role\0all",),
}


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
        count_all_stocks(found, arguments.accounts)
        for workers in map(int, arguments.workers.split(",")):
            for run in range(arguments.runs + 1):
                figures = _backlog(found, arguments, workers, f"{workers}-{run}")
                label = run or "warm-up"
                print(json.dumps({"workers": workers, "run": label, **figures}), flush=True)


def _stay_on(cores: str) -> None:
    """Let this process, and those that it starts from now on, use these cores only."""
    os.sched_setaffinity(0, set(map(int, cores.split(","))))


def _backlog(
    found: Stage, arguments: argparse.Namespace, workers: int, name: str
) -> dict[str, float]:
    reader = Reader(found)
    shops = mix.Shops(arguments.accounts, name)
    with ExitStack() as stack:
        for _ in range(workers):
            stack.enter_context(worker(found))
        _wait_until_shared(found, workers)
        send(found, mix.day(shops, arguments.orders, datetime.now(UTC), 1))
        began, before = time.monotonic(), processor_seconds(KINDS)
        count, first, last = reader.count_until_quiet(1.0)
        after, ended = processor_seconds(KINDS), time.monotonic()
    reader.close()
    busy = {
        f"{kind}_cores": round((after[kind] - before[kind]) / (ended - began), 2) for kind in KINDS
    }
    return {"facts_per_second": round(count / (last - first)), **busy}


def _wait_until_shared(found: Stage, workers: int) -> None:
    """Wait until so many workers hold partitions and shards: a rebalance is not measured."""
    admin = AdminClient({"bootstrap.servers": found.bootstrap_servers})
    deadline = time.monotonic() + SHARE_SECONDS_MAX
    while time.monotonic() < deadline:
        groups = admin.describe_consumer_groups(list(GROUPS)).values()
        members = [group.result(SHARE_SECONDS_MAX).members for group in groups]
        if all(
            sum(bool(one.assignment.topic_partitions) for one in group) == workers
            for group in members
        ):
            time.sleep(SETTLE_SECONDS)
            return
        time.sleep(0.2)
    raise Stalled(f"{workers} workers do not share the work")


if __name__ == "__main__":
    main()
