"""A backlog beside more and more live reservations, and what each takes of Redis' memory."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from reservation_worker.benchmark.figures import Grown, Spread, rounded, spread
from reservation_worker.benchmark.filling import fill
from reservation_worker.benchmark.loads import shop_days
from reservation_worker.benchmark.mix import Shops
from reservation_worker.benchmark.plan import Plan
from reservation_worker.benchmark.stage import Stage
from reservation_worker.benchmark.throughput import drain
from reservation_worker.embedded import Progress

Open = Callable[[str], AbstractContextManager[Stage]]
"""Gives a scene of this name."""


def measure_growth(open_scene: Open, plan: Plan, say: Progress) -> list[Grown]:
    """Fill an empty Redis for each number of live reservations, then drain backlogs."""
    found: list[tuple[int, Spread, float]] = []
    load = shop_days(plan)
    for live in sorted(plan.live):
        with open_scene(f"growth-{live}") as stage:
            bytes_each = fill(stage, plan, live)
            say(f"{live:,} live: {bytes_each:.0f} bytes of Redis for each")
            rates = []
            for run in range(-plan.warm_ups, plan.runs):
                shops = Shops(load.accounts, f"run{run}", name=stage.shops)
                facts = load.facts(shops, plan.seed + run + plan.warm_ups)
                rate = drain(stage, facts, is_apart=plan.is_apart).facts_per_second
                say(f"{live:,} live: {rate:,.0f} facts per second")
                if run >= 0:
                    rates.append(rate)
            found.append((live, spread(rates), rounded(bytes_each)))
    return list(_compared(found))


def _compared(found: list[tuple[int, Spread, float]]) -> Iterable[Grown]:
    fewest = found[0][1].median
    for live, rates, bytes_each in found:
        yield Grown(live, rates, rounded(rates.median / fewest), bytes_each)
