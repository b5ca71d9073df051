"""A backlog through several worker processes, and on a Valkey Cluster."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from reservation_worker.benchmark.figures import Clustered, WorkersRate, ratio, spread
from reservation_worker.benchmark.loads import shop_days
from reservation_worker.benchmark.mix import Shops
from reservation_worker.benchmark.place import Place
from reservation_worker.benchmark.plan import Plan
from reservation_worker.benchmark.stage import (
    APPEND_FSYNC,
    Reader,
    Stage,
    named_variables,
    sent_at_once,
)
from reservation_worker.benchmark.throughput import count, count_stocks, drain
from reservation_worker.benchmark.workers import workers
from reservation_worker.embedded import Progress
from reservation_worker.embedded.kafka import EmbeddedKafka
from reservation_worker.embedded.valkey_cluster import EmbeddedValkeyCluster

PRIMARIES = 3
SETTLE_SECONDS = 5.0
"""From the readiness of the last worker: by then partitions and shards are shared out."""


def measure_workers(found: Place, plan: Plan, say: Progress) -> list[WorkersRate]:
    """Let so many workers be ready before a backlog appears, all of it at once."""
    load = shop_days(plan)
    count_stocks(found, load.stocks(Shops(load.accounts, "", name=found.shops)))
    rates: dict[int, list[float]] = {total: [] for total in plan.workers}
    for run in range(-plan.warm_ups, plan.runs):
        for total in plan.workers[:1] if run < 0 else plan.workers:
            shops = Shops(load.accounts, f"with{total}-{run}", name=found.shops)
            facts = load.facts(shops, plan.seed + run + plan.warm_ups)
            rate = _rate_of(found, plan, total, sent_at_once(found, facts))
            say(f"{total} workers: {rate:,.0f} facts per second")
            if run >= 0:
                rates[total].append(rate)
    one = rates[plan.workers[0]]
    return [WorkersRate(total, spread(each), ratio(each, one)) for total, each in rates.items()]


def _rate_of(
    found: Place, plan: Plan, total: int, sent: AbstractContextManager[Callable[[], None]]
) -> float:
    reader = Reader(found)
    try:
        with sent as show_all, workers(found, total, apart=plan.is_apart) as running:
            running.wait_until_ready()
            time.sleep(SETTLE_SECONDS)
            show_all()
            return count(found, reader, running, 0).facts_per_second
    finally:
        reader.close()


def measure_cluster(single: Place, clustered: Place, plan: Plan, say: Progress) -> Clustered:
    """Drain the same backlogs on one Valkey and on a cluster, in turns."""
    load = shop_days(plan)
    rates: dict[str, list[float]] = {}
    for run in range(-plan.warm_ups, plan.runs):
        for name, found in (("single", single), ("cluster", clustered)):
            if run == -plan.warm_ups:
                count_stocks(found, load.stocks(Shops(load.accounts, "", name=found.shops)))
            shops = Shops(load.accounts, f"run{run}", name=found.shops)
            facts = load.facts(shops, plan.seed + run + plan.warm_ups)
            rate = drain(found, facts, is_apart=plan.is_apart).facts_per_second
            say(f"{name}: {rate:,.0f} facts per second")
            if run >= 0:
                rates.setdefault(name, []).append(rate)
    cluster, alone = rates["cluster"], rates["single"]
    return Clustered(PRIMARIES, spread(cluster), spread(alone), ratio(cluster, alone))


@contextmanager
def cluster_scene(directory: Path, kafka: EmbeddedKafka, name: str) -> Iterator[Place]:
    """Start a Valkey Cluster, and use topics and a group of their own."""
    home = directory / name
    home.mkdir(parents=True, exist_ok=True)
    with EmbeddedValkeyCluster(
        home / "valkey", primaries=PRIMARIES, append_fsync=APPEND_FSYNC
    ) as cluster:
        redis = {f"redis {number}": one.process_id for number, one in enumerate(cluster.nodes, 1)}
        found = Stage(
            home,
            kafka.bootstrap_servers,
            cluster.nodes[0],
            variables={**named_variables(name), "RESERVATION_REDIS__TOPOLOGY": "cluster"},
            process_ids={"broker": kafka.brokers[0].process_id, **redis},
        )
        found.create_topics()
        yield found
        found.delete_topics(lambda topic: topic.startswith(f"{name}-"))
