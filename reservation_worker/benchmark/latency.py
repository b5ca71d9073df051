"""Latency from a record to its change, of the worker and of Kafka alone."""

from collections.abc import Callable
from dataclasses import replace

from confluent_kafka import Message as ReadMessage

from reservation_worker.benchmark import mix
from reservation_worker.benchmark.committed import done_of, wait_until_committed
from reservation_worker.benchmark.figures import Latency, percentile, ratio, spread
from reservation_worker.benchmark.loads import now, shop_days
from reservation_worker.benchmark.mix import Shops
from reservation_worker.benchmark.offered import (
    LEAD_SECONDS,
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
    """Offer facts at each rate, in turns to the worker and to what only passes them through."""
    count_stocks(found, shop_days(plan).stocks(Shops(plan.accounts, "", name=found.shops)))
    elsewhere = apart(found)
    elsewhere.create_topics()
    asked = _transactions_like_the_worker(found, plan)
    figures = []
    for rate in plan.rates:
        worker: list[list[float]] = []
        passed_through: list[list[float]] = []
        for run in range(-plan.warm_ups, plan.runs):
            label = "warm-up" if run < 0 else f"run {run + 1} of {plan.runs}"
            through = _through_worker(found, plan, rate, run)
            say(f"worker at {rate} per second, {label}: {_summary(through)}")
            past = _through_transactions(elsewhere, asked, plan, rate, run)
            say(f"transactions alone at {rate} per second, {label}: {_summary(past)}")
            if run >= 0:
                worker.append(through)
                passed_through.append(past)
        figures.append(_figures(plan, rate, worker, passed_through))
    return figures


def _transactions_like_the_worker(found: Place, plan: Plan) -> PassThroughPlan:
    """Run a worker once, and return what writes events like its own, as many for each record."""
    outputs = output_ends(found)
    with workers(found) as running:
        running.wait_until_ready()
        _offered(found, plan, plan.rates[0], "first", note_change)
        counters = running.counted()
    return PassThroughPlan(
        group_id="",
        copies=copies_from(found, outputs),
        events_per_record=counters[EVENTS] / counters[FACTS],
        events_per_transaction=1,
        records_total=None,
        names_its_cause=True,
    )


def _through_worker(found: Place, plan: Plan, rate: int, run: int) -> list[float]:
    """Return latencies; the worker first takes what was offered while it was away."""
    with workers(found) as running:
        running.wait_until_ready()
        wait_until_committed(found)
        return _offered(found, plan, rate, f"worker-{rate}-{run}", note_change)


def _through_transactions(
    elsewhere: Place, asked: PassThroughPlan, plan: Plan, rate: int, run: int
) -> list[float]:
    group_id = f"{elsewhere.settings().kafka.group_id}-through-{rate}-{run}"
    begin_group_at(elsewhere, group_id, input_ends(elsewhere))
    with started_pass_through(elsewhere, replace(asked, group_id=group_id)):
        return _offered(elsewhere, plan, rate, f"through-{rate}-{run}", note_key, group_id)


def _offered(
    found: Place,
    plan: Plan,
    rate: int,
    name: str,
    note: Callable[[Seen, ReadMessage], None],
    group_id: str | None = None,
) -> list[float]:
    """Offer facts at a steady rate; return the latencies of those that changed something.

    Those of the first moment do not count: what has just started is slower.
    """
    shops = Shops(plan.accounts, name, name=found.shops)
    orders_total = round(rate * (plan.seconds + LEAD_SECONDS))
    messages = mix.day(shops, orders_total, now(), plan.seed)
    with followed(found, note) as seen, done_of(found, group_id) as is_done:
        latencies_ms(seen, offer(found, messages, rate, LEAD_SECONDS), is_done)
        return latencies_ms(seen, offer(found, messages, rate, plan.seconds), is_done)


def _summary(taken: list[float]) -> str:
    return f"p50 {percentile(taken, 50):.0f} ms, p99 {percentile(taken, 99):.0f} ms"


def _figures(
    plan: Plan, rate: int, worker: list[list[float]], passed_through: list[list[float]]
) -> Latency:
    p99 = [percentile(one, 99) for one in worker]
    passed_through_p99 = [percentile(one, 99) for one in passed_through]
    return Latency(
        facts_per_second=rate,
        seconds=plan.seconds,
        accounts=plan.accounts,
        p50_ms=spread([percentile(one, 50) for one in worker]),
        p99_ms=spread(p99),
        maximum_ms=spread([max(one) for one in worker]),
        passed_through_p50_ms=spread([percentile(one, 50) for one in passed_through]),
        passed_through_p99_ms=spread(passed_through_p99),
        ratio_p99=ratio(p99, passed_through_p99),
    )
