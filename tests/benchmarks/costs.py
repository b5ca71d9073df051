"""What a fact costs each process: ``python -m tests.benchmarks.costs``.

Processor time, as the kernel counts it, of the servers and of a process for each role, from before
a backlog until it is published, divided by the facts of the backlog. Processes that fight for the
caches of a few cores take longer than each would alone; so the figures are rather too high.
"""

import argparse
import json
import os
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from reservation_worker.benchmark import mix
from reservation_worker.benchmark.stage import Reader, Stage, send, stage, worker
from tests.benchmarks.measure import count_all_stocks

NAMES = {
    "redis_us": ("valkey-server", "redis-server"),
    "broker_us": ("kafka.Kafka",),
    "apply_us": ("--role\0apply",),
    "publish_us": ("--role\0publish",),
}
"""A word of the command line of each process."""
USER_TIME, SYSTEM_TIME = 11, 12
"""Fields of ``/proc/<id>/stat`` behind the command's name."""


def main() -> None:
    """Print the microseconds of each run as JSON lines, then the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--warm-ups", type=int, default=2, help="runs that do not count")
    parser.add_argument("--orders", type=int, default=40_000, help="orders of one run's backlog")
    parser.add_argument("--accounts", type=int, default=8)
    arguments = parser.parse_args()
    runs: list[dict[str, float]] = []
    with TemporaryDirectory() as directory, stage(Path(directory)) as found:
        count_all_stocks(found, arguments.accounts)
        for run in range(-arguments.warm_ups, arguments.runs):
            costs = _costs(found, arguments, run)
            print(json.dumps({"run": run if run >= 0 else "warm-up", **costs}), flush=True)
            if run >= 0:
                runs.append(costs)
    print(json.dumps({name: statistics.median(run[name] for run in runs) for name in NAMES}))


def _costs(found: Stage, arguments: argparse.Namespace, run: int) -> dict[str, float]:
    reader = Reader(found)
    shops = mix.Shops(arguments.accounts, f"costs{run}")
    facts = send(found, mix.day(shops, arguments.orders, datetime.now(UTC), arguments.runs + run))
    before = processor_seconds(NAMES)
    with worker(found, apart=True):
        reader.count_until_quiet()
        after = processor_seconds(NAMES)
    reader.close()
    return {name: round((after[name] - before[name]) / facts * 1_000_000, 1) for name in NAMES}


def processor_seconds(names: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Return the processor time of this process's children, by the words of their command lines."""
    found = dict.fromkeys(names, 0.0)
    for children in Path("/proc/self/task").glob("*/children"):
        for child in children.read_text("utf-8").split():
            command = Path(f"/proc/{child}/cmdline").read_text("utf-8")
            fields = Path(f"/proc/{child}/stat").read_text("utf-8").rpartition(")")[2].split()
            ticks = int(fields[USER_TIME]) + int(fields[SYSTEM_TIME])
            for name, words in names.items():
                if any(word in command for word in words):
                    found[name] += ticks / os.sysconf("SC_CLK_TCK")
    return found


if __name__ == "__main__":
    main()
