"""Latency from a record to a read_committed reader, of the worker and of Kafka alone."""

from collections.abc import Callable

from confluent_kafka import Message as ReadMessage

from reservation_worker.benchmark import mix
from reservation_worker.benchmark.figures import Latency, percentile, rounded, spread
from reservation_worker.benchmark.loads import now, shop_days
from reservation_worker.benchmark.mix import Shops
from reservation_worker.benchmark.offered import (
    Seen,
    followed,
    latencies_ms,
    note_change,
    note_key,
    offer,
)
from reservation_worker.benchmark.pass_through import (
    PassThroughPlan,
    apart,
    copies_from,
    output_ends,
    started_pass_through,
)
from reservation_worker.benchmark.place import Place
from reservation_worker.benchmark.plan import Plan
from reservation_worker.benchmark.seen import begin_group_at, input_ends
from reservation_worker.benchmark.throughput import EVENTS, FACTS, count_stocks
from reservation_worker.benchmark.workers import workers
from reservation_worker.embedded import Progress


def measure_latency(found: Place, plan: Plan, say: Progress) -> list[Latency]:
    """Offer facts at each rate, to the worker and to what only passes them through."""
    count_stocks(found, shop_days(plan).stocks(Shops(plan.accounts, "", name=found.shops)))
    outputs = output_ends(found)
    through_worker: dict[int, list[list[float]]] = {}
    with workers(found) as running:
        running.wait_until_ready()
        for rate in plan.rates:
            through_worker[rate] = _runs(found, plan, rate, note_change, say)
        counters = running.counted()
    elsewhere = apart(found)
    elsewhere.create_topics()
    group_id = f"{found.settings().kafka.group_id}-through"
    begin_group_at(found, group_id, input_ends(found))
    asked = PassThroughPlan(
        group_id=group_id,
        copies=copies_from(found, outputs),
        events_per_record=counters[EVENTS] / counters[FACTS],
        events_per_transaction=1,
        records_total=None,
        names_its_cause=True,
    )
    with started_pass_through(elsewhere, asked):
        return [
            _figures(plan, rate, through_worker[rate], _runs(elsewhere, plan, rate, note_key, say))
            for rate in plan.rates
        ]


def _runs(
    found: Place,
    plan: Plan,
    rate: int,
    note: Callable[[Seen, ReadMessage, float], None],
    say: Progress,
) -> list[list[float]]:
    """Return the latencies of each run that counts."""
    runs = []
    for run in range(-plan.warm_ups, plan.runs):
        shops = Shops(plan.accounts, f"{note.__name__}-{rate}-{run}", name=found.shops)
        orders_total = rate * plan.seconds
        messages = mix.day(shops, orders_total, now(), plan.seed + run + plan.warm_ups)
        with followed(found, note) as seen:
            taken = latencies_ms(seen, offer(found, messages, rate, plan.seconds))
        what = "worker" if note is note_change else "transactions alone"
        label = "warm-up" if run < 0 else f"run {run + 1} of {plan.runs}"
        p50, p99 = percentile(taken, 50), percentile(taken, 99)
        say(f"{what} at {rate} per second, {label}: p50 {p50:.0f} ms, p99 {p99:.0f} ms")
        if run >= 0:
            runs.append(taken)
    return runs


def _figures(
    plan: Plan, rate: int, worker: list[list[float]], passed_through: list[list[float]]
) -> Latency:
    p99 = spread([percentile(one, 99) for one in worker])
    passed_through_p99 = spread([percentile(one, 99) for one in passed_through])
    return Latency(
        facts_per_second=rate,
        seconds=plan.seconds,
        accounts=plan.accounts,
        p50_ms=spread([percentile(one, 50) for one in worker]),
        p99_ms=p99,
        maximum_ms=spread([max(one) for one in worker]),
        passed_through_p50_ms=spread([percentile(one, 50) for one in passed_through]),
        passed_through_p99_ms=passed_through_p99,
        ratio_p99=rounded(p99.median / passed_through_p99.median),
    )
