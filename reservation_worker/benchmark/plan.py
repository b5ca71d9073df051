"""What is to be measured, how often, and with how much."""

from dataclasses import dataclass
from enum import StrEnum


class Scenario(StrEnum):
    """What can be measured, in the order in which it is."""

    BACKLOG = "backlog"
    LATENCY = "latency"
    HOT = "hot"
    LARGE = "large"
    ACCOUNTS = "accounts"
    WORKERS = "workers"
    CLUSTER = "cluster"
    GROWTH = "growth"
    DEADLINES = "deadlines"
    REBUILD = "rebuild"
    VERIFY = "verify"


ON_GIVEN_SERVERS = frozenset(
    {
        *(Scenario.BACKLOG, Scenario.LATENCY, Scenario.HOT, Scenario.LARGE, Scenario.ACCOUNTS),
        Scenario.WORKERS,
    }
)
"""The others lose what Redis has, fill it, or need servers of another kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Every number that a call may choose; the defaults are for a quarter of an hour."""

    scenarios: tuple[Scenario, ...] = (
        *(Scenario.BACKLOG, Scenario.LATENCY, Scenario.HOT, Scenario.LARGE),
        *(Scenario.WORKERS, Scenario.GROWTH, Scenario.DEADLINES),
    )
    runs: int = 3
    warm_ups: int = 1
    """Runs before those that count: a cold broker halves the first."""
    seed: int = 1
    orders: int = 10_000
    """Of one run's backlog; each brings two more facts."""
    accounts: int = 8
    """That share 10,000 stocks."""
    rates: tuple[int, ...] = (500, 2_000)
    """Facts per second that are offered."""
    seconds: int = 6
    """Length of a run at an offered rate."""
    hot_orders: int = 20_000
    hot_units: int = 10_000
    large_orders: int = 600
    large_lines: int = 50
    many_accounts: int = 1_000
    workers: tuple[int, ...] = (1, 2, 4)
    live: tuple[int, ...] = (10_000, 100_000)
    """Live reservations beside which a backlog is measured."""
    deadlines: int = 50_000
    deadlines_rate: int = 500
    """Facts per second of live traffic beside them."""
    rebuild_live: int = 100_000
    verify_live: int = 100_000
    verify_rate: int = 0
    """Facts per second of traffic while ``verify`` runs; 0: none."""
    step_sizes: tuple[int, ...] = (50, 200, 500, 1_000)
    """Facts per step, at which the step script is measured alone."""
    is_apart: bool = False
    """A process for each role of a worker."""


DEFAULT = Plan()
QUICK = Plan(
    scenarios=(Scenario.BACKLOG, Scenario.LATENCY, Scenario.HOT),
    runs=1,
    warm_ups=0,
    orders=2_000,
    rates=(200,),
    seconds=3,
    hot_orders=2_000,
    hot_units=500,
    step_sizes=(200,),
)
"""A smoke: its figures say that it works, and nothing else."""
FULL = Plan(
    scenarios=tuple(Scenario),
    orders=40_000,
    hot_orders=40_000,
    seconds=12,
    warm_ups=2,
    large_orders=2_000,
    live=(10_000, 100_000, 1_000_000, 5_000_000),
    deadlines=1_000_000,
    rebuild_live=1_000_000,
    verify_live=1_000_000,
)
"""Everything at the size that pages claim; takes more than an hour."""
