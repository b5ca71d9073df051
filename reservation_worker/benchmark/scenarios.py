"""One scenario after the other, on embedded servers or on given ones."""

import gc
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from reservation_worker.benchmark.deadlines import measure_deadlines
from reservation_worker.benchmark.figures import (
    Backlog,
    Document,
    Hot,
    Large,
    StageCost,
    rounded,
)
from reservation_worker.benchmark.growth import measure_growth
from reservation_worker.benchmark.latency import measure_latency
from reservation_worker.benchmark.loads import hot_orders, large_orders, shop_days
from reservation_worker.benchmark.mix import hot_sku
from reservation_worker.benchmark.pass_through import topics_apart
from reservation_worker.benchmark.place import Place
from reservation_worker.benchmark.plan import Plan, Scenario
from reservation_worker.benchmark.restoring import measure_rebuild, measure_verify
from reservation_worker.benchmark.scaling import cluster_scene, measure_cluster, measure_workers
from reservation_worker.benchmark.show import Show
from reservation_worker.benchmark.sold import SoldWrong, units_held
from reservation_worker.benchmark.stage import Stage, scene
from reservation_worker.benchmark.stage_costs import measure_stages
from reservation_worker.benchmark.throughput import LastRun, measure
from reservation_worker.embedded import Progress
from reservation_worker.embedded.kafka import EmbeddedKafka
from reservation_worker.worker.process import GARBAGE_THRESHOLDS

TITLES: Mapping[Scenario, str] = {
    Scenario.BACKLOG: "a shop's days through one worker, and what the servers could do at most",
    Scenario.LATENCY: "facts at a steady rate, and the same rate through Kafka alone",
    Scenario.HOT: "every order wants one stock, which has not enough for all",
    Scenario.LARGE: "orders of many lines",
    Scenario.ACCOUNTS: "a shop's days of many accounts",
    Scenario.WORKERS: "the same backlog through more and more workers",
    Scenario.CLUSTER: "the same backlog on a Valkey Cluster and on a single Valkey",
    Scenario.GROWTH: "the same backlog beside more and more live reservations",
    Scenario.DEADLINES: "very many deadlines pass at one moment",
    Scenario.REBUILD: "Redis loses everything, and is restored from the topics",
    Scenario.VERIFY: "every key of Redis is held against the topics",
}


def _collect_garbage_as_a_worker() -> None:
    """So that its functions take as long here as there."""
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)


def measure_given(found: Place, plan: Plan, show: Show, document: Document) -> Document:
    """Measure on servers that are somebody's: only what the benchmark wrote itself is removed.

    Raises:
        Stalled: nothing came for a long time.
        SoldWrong: units were sold twice, or not at all.
    """
    _collect_garbage_as_a_worker()
    try:
        for scenario in plan.scenarios:
            show.chapter(scenario.value, TITLES[scenario])
            document = _measured(scenario, found, plan, show.say, document)
            show.done()
    finally:
        found.delete_topics(frozenset(topics_apart(found)).__contains__)
    return document


def measure_embedded(
    directory: Path, kafka: EmbeddedKafka, plan: Plan, show: Show, document: Document
) -> Document:
    """Measure on a Kafka that has started, with a Valkey of its own for each scenario.

    Raises:
        Stalled: nothing came for a long time.
        SoldWrong: units were sold twice, or not at all.
    """
    _collect_garbage_as_a_worker()
    for scenario in plan.scenarios:
        show.chapter(scenario.value, TITLES[scenario])
        name = scenario.value
        if scenario is Scenario.GROWTH:
            grown = measure_growth(partial(scene, directory, kafka), plan, show.say)
            document = replace(document, growth=grown)
        elif scenario is Scenario.CLUSTER:
            with (
                scene(directory, kafka, "single") as single,
                cluster_scene(directory, kafka, name) as clustered,
            ):
                cluster = measure_cluster(single, clustered, plan, show.say)
            document = replace(document, cluster=cluster)
        else:
            with scene(directory, kafka, name) as found:
                document = _measured_on_own(scenario, found, plan, show.say, document)
        show.done()
    return document


def _measured_on_own(
    scenario: Scenario, found: Stage, plan: Plan, say: Progress, document: Document
) -> Document:
    match scenario:
        case Scenario.DEADLINES:
            return replace(document, deadlines=measure_deadlines(found, plan, say))
        case Scenario.REBUILD:
            return replace(document, rebuild=measure_rebuild(found, plan, say))
        case Scenario.VERIFY:
            return replace(document, verify=measure_verify(found, plan, say))
        case _:
            return _measured(scenario, found, plan, say, document)


def _measured(
    scenario: Scenario, found: Place, plan: Plan, say: Progress, document: Document
) -> Document:
    match scenario:
        case Scenario.BACKLOG:
            backlog = _measure_backlog(found, plan, say)
            ceiling = backlog.throughput.step_ceiling
            ratio = None if ceiling is None else ceiling.ratio
            headline = None if ratio is None else ratio.median
            return replace(document, backlog=backlog, ratio_to_lua_ceiling=headline)
        case Scenario.LATENCY:
            return replace(document, latency=measure_latency(found, plan, say))
        case Scenario.HOT:
            return replace(document, hot=_measure_hot(found, plan, say))
        case Scenario.LARGE:
            return replace(document, large=_measure_large(found, plan, say))
        case Scenario.ACCOUNTS:
            load = shop_days(plan, plan.many_accounts)
            return replace(
                document, accounts=measure(found, load, _at_one_size(plan), say).throughput
            )
        case Scenario.WORKERS:
            return replace(document, workers=measure_workers(found, plan, say))
        case _:
            raise AssertionError(f"{scenario} needs servers of its own")


def _measure_backlog(found: Place, plan: Plan, say: Progress) -> Backlog:
    measured = measure(found, shop_days(plan), plan, say)
    stages: list[StageCost] = []
    if measured.throughput.step_ceiling is not None:
        last = measured.last
        stages = measure_stages(found, measured.seen, last.stocks, last.backlog())
    return Backlog(measured.throughput, stages)


def _measure_hot(found: Place, plan: Plan, say: Progress) -> Hot:
    sold: list[int] = []
    wanted = min(plan.hot_units, plan.hot_orders)

    def check(run: LastRun) -> None:
        sold.append(units_held(found, run.outputs, hot_sku(run.shops)))
        if sold[-1] != wanted:
            raise SoldWrong(
                f"{sold[-1]} units of a stock were sold that had {plan.hot_units}, "
                f"for {plan.hot_orders} orders of one unit each."
            )

    measured = measure(found, hot_orders(plan), _at_one_size(plan), say, check)
    return Hot(measured.throughput, plan.hot_units, sold[-1])


def _measure_large(found: Place, plan: Plan, say: Progress) -> Large:
    throughput = measure(found, large_orders(plan), _at_one_size(plan), say).throughput
    rate = throughput.facts_per_second
    lines_per_second = None if rate is None else rounded(rate.median * plan.large_lines)
    return Large(throughput, plan.large_lines, lines_per_second)


def _at_one_size(plan: Plan) -> Plan:
    """Return a plan that measures the step script at the worker's own size of steps only."""
    return replace(plan, step_sizes=())
