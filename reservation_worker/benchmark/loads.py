"""What the scenarios send."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from reservation_worker.benchmark import mix
from reservation_worker.benchmark.mix import Message, Shops
from reservation_worker.benchmark.plan import Plan
from reservation_worker.composition import build_clock


@dataclass(frozen=True, slots=True)
class Load:
    """The facts of a backlog, run for run."""

    accounts: int
    stocks: Callable[[Shops], Iterable[Message]]
    """What must be counted before the run."""
    facts: Callable[[Shops, int], Iterable[Message]]
    """Given the run's shops and seed."""
    are_stocks_of_a_run: bool = False
    """Each run has other ones; else all share those that were counted first."""


def now() -> datetime:
    """Return the time of this machine, UTC."""
    return datetime.fromtimestamp(build_clock().now_ms() / 1000, UTC)


def shop_days(plan: Plan, accounts: int | None = None) -> Load:
    """Return the full-domain mix."""
    return Load(
        accounts or plan.accounts,
        lambda shops: mix.balances(shops, now()),
        lambda shops, seed: mix.day(shops, plan.orders, now(), seed),
    )


def hot_orders(plan: Plan) -> Load:
    """Return orders of one stock, which has not enough for all."""
    return Load(
        1,
        lambda shops: [mix.hot_stock(shops, plan.hot_units, now())],
        lambda shops, _seed: mix.hot_orders(shops, plan.hot_orders, now()),
        are_stocks_of_a_run=True,
    )


def large_orders(plan: Plan) -> Load:
    """Return orders of many lines."""
    return Load(
        plan.accounts,
        lambda shops: mix.balances(shops, now()),
        lambda shops, seed: mix.large_orders(
            shops, plan.large_orders, plan.large_lines, now(), seed
        ),
    )
