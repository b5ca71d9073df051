"""A backlog beside more and more live reservations, and what each takes of Redis' memory."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

from redis import Redis

from reservation_worker.benchmark.figures import Grown, ratio, rounded, spread
from reservation_worker.benchmark.filling import fill
from reservation_worker.benchmark.loads import shop_days
from reservation_worker.benchmark.mix import Shops
from reservation_worker.benchmark.plan import Plan
from reservation_worker.benchmark.stage import Stage, Stalled
from reservation_worker.benchmark.throughput import drain
from reservation_worker.embedded import Progress

Open = Callable[[str], AbstractContextManager[Stage]]
"""Gives a scene of this name."""
LOOK_SECONDS = 0.2
"""Between two looks at something that Redis does by itself, and tells nobody when it is done."""
REWRITE_SECONDS = 600
"""Of 5,000,000 reservations, on a slow disk."""


def measure_growth(open_scene: Open, plan: Plan, say: Progress) -> list[Grown]:
    """Fill a Redis for each number of live reservations, then drain the same backlogs in turns.

    Raises:
        Stalled: nothing came for a long time.
    """
    load = shop_days(plan)
    rates: dict[int, list[float]] = {live: [] for live in sorted(plan.live)}
    bytes_each: dict[int, float] = {}
    with ExitStack() as stack:
        scenes = {live: stack.enter_context(open_scene(f"growth-{live}")) for live in rates}
        for live, stage in scenes.items():
            bytes_each[live] = fill(stage, plan, live)
            _wait_until_rewritten(stage)
            say(f"{live:,} live: {bytes_each[live]:.0f} bytes of Redis for each")
        for run in range(-plan.warm_ups, plan.runs):
            for live, stage in scenes.items():
                shops = Shops(load.accounts, f"run{run}", name=stage.shops)
                facts = load.facts(shops, plan.seed + run + plan.warm_ups)
                rate = drain(stage, facts, is_apart=plan.is_apart).facts_per_second
                say(f"{live:,} live: {rate:,.0f} facts per second")
                if run >= 0:
                    rates[live].append(rate)
    fewest = rates[min(rates)]
    return [
        Grown(live, spread(each), ratio(each, fewest), rounded(bytes_each[live]))
        for live, each in rates.items()
    ]


def _wait_until_rewritten(stage: Stage) -> None:
    """Wait for the rewriting of the append-only file that the filling has set off.

    It would take a core from the first turns; those that turns set off themselves belong to them.

    Raises:
        Stalled: it does not end.
    """
    give_up_at = time.monotonic() + REWRITE_SECONDS
    with Redis.from_url(stage.valkey.url) as redis:
        while redis.info("persistence")["aof_rewrite_in_progress"]:
            if time.monotonic() > give_up_at:
                raise Stalled("the append-only file is still being rewritten")
            time.sleep(LOOK_SECONDS)
