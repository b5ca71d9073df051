"""Workers that end at any named point, and what is published in spite of it."""

from collections.abc import Callable
from functools import cache

import pytest

from reservation_worker.adapters.in_memory.broker import Fault
from reservation_worker.contracts.inputs import FactKind
from reservation_worker.deadlines import RetentionConfig
from reservation_worker.ports import Waypoint
from tests.loops.assembly import Loops
from tests.loops.small_shop import SmallShop

REACHED_MAX = 30
"""Each point is met so often at most before the day is over."""
SLEEPS_MAX = 5
"""A sleeper takes two workers and twice the time."""
EVENING_TURNS = 40
"""Enough for the short deadline to pass, and for settlements."""
RETENTION_MS = 30_000
"""Longer than the day; shorter than the hour that most orders are held."""
NIGHT_TURNS = 12
FACTS_AHEAD_MS = 5 * 60_000
"""The last count is dated so far ahead of the shop's clock; a rebuild keeps by the facts' times."""
DEAD_LETTERS_TOTAL = 4
"""Three of the input, and one of a payment whose order never came."""


class Killed(BaseException):
    """Ends a worker in the middle of whatever it does, as SIGKILL does."""


def killing_at(waypoint: Waypoint, occasion: int) -> Callable[[Waypoint], None]:
    """Return a function that kills at the n-th time that a point is reached, from 1."""
    left = [occasion]

    def reach(reached: Waypoint) -> None:
        if reached is waypoint:
            left[0] -= 1
            if left[0] == 0:
                raise Killed

    return reach


def a_day() -> SmallShop:
    """Return a shop whose input holds every fate: sold, denied, expired, settled, dead."""
    shop = SmallShop()
    shop.retention = RetentionConfig(RETENTION_MS, RETENTION_MS, facts_per_look_max=2)
    for account in ("acme", "other"):
        shop.count("boots", 5, account=account)
        shop.count("gloves", 5, account=account)
        for order_id in ("A", "B", "C"):
            shop.order(order_id, "boots", account=account)
        shop.order("late", "hats", account=account)
        shop.pay("A", account=account)
        shop.order("refused", "hats", account=account)
        shop.send(
            FactKind.ORDER_INVOICED,
            {"account": account, "order_id": "A", "invoiced_at": "2026-01-01T00:00:30Z"},
        )
    shop.send(FactKind.ORDER_COMPLETED, b"not JSON", partition=1)
    shop.send(FactKind.INVENTORY_UPDATED, b"{}", partition=1)
    shop.count("boots", 7, at="00:00")
    shop.order("short", "gloves", account="other", ttl_seconds=1)
    shop.pay("ghost")
    return shop


def live(shop: SmallShop, worker: Loops) -> None:
    """Until all input is committed, Redis has lost everything, and time has done what is left."""
    shop.finish(worker)
    shop.lose_everything()
    shop.count("boots", 5, at="00:05")
    for _ in range(EVENING_TURNS):
        shop.turn(worker)
    shop.clock.advance(RETENTION_MS + FACTS_AHEAD_MS)
    for _ in range(NIGHT_TURNS):
        shop.turn(worker)


@cache
def undisturbed() -> dict[str, str]:
    """Return what has become of each order at the end of a day without any fault."""
    shop = a_day()
    live(shop, shop.start())
    fates = shop.fates()
    gone = {f"{status}, removed" for status in ("Settled", "Expired", "Denied", "Awaiting")}
    assert {"Acknowledged", "Authorized"} | gone == set(fates.values())
    return fates


@pytest.mark.parametrize("waypoint", list(Waypoint))
def test_a_worker_killed_at_any_point_loses_nothing_and_repeats_nothing(
    waypoint: Waypoint,
) -> None:
    """The next worker finds a torn batch, an open outbox, a lost answer: all must be harmless."""
    expected = undisturbed()
    kills = 0
    for occasion in range(1, REACHED_MAX + 1):
        shop = a_day()
        worker = shop.start(killing_at(waypoint, occasion))
        try:
            live(shop, worker)
        except Killed:
            kills += 1
            shop.bury()
            live(shop, shop.start())
        repeat = f"{waypoint=} {occasion=}"
        assert expected == shop.fates(), repeat
        assert len(shop.broker.dead_letters) == DEAD_LETTERS_TOTAL, repeat
        shop.check_order_of_publication()
        if kills < occasion:
            break  # The day does not reach the point so often.
    assert kills > 0, "the day does not reach this point"


@pytest.mark.parametrize("fault", list(Fault))
def test_a_transaction_that_fails_at_any_time_is_neither_lost_nor_repeated(fault: Fault) -> None:
    """A commit of unknown fate is the one answer that cannot be acted upon without looking."""
    expected = undisturbed()
    for turns_before in range(EVENING_TURNS):
        shop = a_day()
        worker = shop.start()
        for _ in range(turns_before):
            shop.turn(worker)
        shop.broker.faults.append(fault)
        live(shop, worker)
        repeat = f"{fault=} {turns_before=}"
        assert expected == shop.fates(), repeat
        if fault is not Fault.LOST_AFTER_COMMIT:
            assert len(shop.broker.dead_letters) == DEAD_LETTERS_TOTAL, repeat
        shop.check_order_of_publication()


@pytest.mark.parametrize("waypoint", list(Waypoint))
def test_a_worker_that_sleeps_at_any_point_while_another_takes_over_does_no_harm(
    waypoint: Waypoint,
) -> None:
    """It wakes up believing in its shards, its partitions and its open transaction."""
    expected = undisturbed()
    sleeps = 0
    for occasion in range(1, SLEEPS_MAX + 1):
        shop = a_day()
        left = [occasion]

        def sleep(reached: Waypoint, shop: SmallShop = shop, left: list[int] = left) -> None:
            if reached is waypoint:
                left[0] -= 1
                if left[0] == 0:
                    shop.bury()
                    live(shop, shop.start())

        sleeper = shop.start(sleep)
        live(shop, sleeper)
        sleeps += left[0] <= 0
        repeat = f"{waypoint=} {occasion=}"
        assert expected == shop.fates(), repeat
        assert len(shop.broker.dead_letters) == DEAD_LETTERS_TOTAL, repeat
        shop.check_order_of_publication()
        if sleeps < occasion:
            break  # The day does not reach the point so often.
    assert sleeps > 0, "the day does not reach this point"
