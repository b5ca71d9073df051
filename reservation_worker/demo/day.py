"""The shop's day as data: what is sent when, and which machine breaks when. All from one seed."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from reservation_worker.demo import orders
from reservation_worker.demo.orders import STORIES, Line, Order
from reservation_worker.demo.poison import write_poison
from reservation_worker.demo.writing import INVENTORY_UPDATED, DayRecord, Notebook

ACCOUNTS = ("north", "south", "corner", "harbor", "market")
"""The stores; `REFUNDING_ACCOUNT` gives late money back, the others hold the units again."""
REFUNDING_ACCOUNT = "market"
SKUS = ("mug", "shirt", "lamp", "chair", "poster", "kettle", "pillow", "clock")
FLASH_SKU = "console"
"""Sold out in a moment."""
PAIR_SKU = "last-pairs"
"""Few units; orders that name it on two lines must be refused as a whole."""
CRATE_SKU = "crate"
"""Delivered in so many small orders that one balance settles them in several steps."""

STEADY_ORDERS_PER_SECOND = 18
OPENING_MS = 1_500
FLASH_SALE_MS = 7_000
RUSH_MS = 13_000
RUSH_SPREAD_MS = 1_600
KILL_WORKER_MS = 14_000
RESTART_WORKER_MS = 15_200
FREEZES_MS = (21_000, 26_500)
"""Each worker is frozen once, with payments in hand that others wait for."""
FREEZE_DURATION_MS = 3_000
"""Shorter than a session: the frozen worker keeps its partitions, and nobody reads them."""
KILL_VALKEY_MS = 24_500
RESTART_VALKEY_MS = 25_500
CLOSING_MS = 30_000
EVENING_COUNT_MS = 35_000
"""The last balances: after the last invoice of a usual order."""


class Action(StrEnum):
    """What is done to a machine of the stage."""

    KILL_WORKER = "kill_worker"
    RESTART_WORKER = "restart_worker"
    FREEZE_WORKER = "freeze_worker"
    THAW_WORKER = "thaw_worker"
    KILL_VALKEY = "kill_valkey"
    RESTART_VALKEY = "restart_valkey"


@dataclass(frozen=True, slots=True)
class Chapter:
    """A part of the day that has a name."""

    at_ms: int
    title: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A machine breaks, or comes back."""

    at_ms: int
    action: Action
    worker: int = 0
    """Which of the two, where a worker is meant."""


@dataclass(frozen=True, slots=True)
class Day:
    """Everything that happens, in order of time."""

    seed: int
    started_at_ms: int
    records: tuple[DayRecord, ...]
    faults: tuple[Fault, ...]
    chapters: tuple[Chapter, ...]


def write_day(seed: int, started_at_ms: int) -> Day:
    """Return the day of a seed; the same seed and start give the same bytes."""
    notebook = Notebook(Random(seed), started_at_ms)  # noqa: S311 -- a play, not a secret
    _open_the_shop(notebook)
    _sell_all_day(notebook)
    _flash_sale(notebook)
    _last_pairs(notebook)
    _noon_rush(notebook)
    _pay_while_a_worker_is_frozen(notebook)
    _crates(notebook)
    write_poison(notebook, ACCOUNTS[0], OPENING_MS, CLOSING_MS - OPENING_MS)
    _recount(notebook)
    _count_in_the_evening(notebook)
    return Day(
        seed=seed,
        started_at_ms=started_at_ms,
        records=tuple(sorted(notebook.records, key=lambda record: record.at_ms)),
        faults=_faults(seed),
        chapters=(
            Chapter(0, "the shop opens, the shelves are counted"),
            Chapter(FLASH_SALE_MS, "flash sale: more buyers than units"),
            Chapter(RUSH_MS, "the noon rush"),
            Chapter(RESTART_WORKER_MS + 1, "late payments, early invoices, recounts"),
            Chapter(FREEZES_MS[0] - 500, "the afternoon"),
            Chapter(CLOSING_MS, "the last orders; deadlines pass"),
            Chapter(EVENING_COUNT_MS, "the evening count"),
        ),
    )


def _faults(seed: int) -> tuple[Fault, ...]:
    victim = seed % 2
    return (
        Fault(KILL_WORKER_MS, Action.KILL_WORKER, victim),
        Fault(RESTART_WORKER_MS, Action.RESTART_WORKER, victim),
        Fault(FREEZES_MS[0], Action.FREEZE_WORKER, 1 - victim),
        Fault(FREEZES_MS[0] + FREEZE_DURATION_MS, Action.THAW_WORKER, 1 - victim),
        Fault(KILL_VALKEY_MS, Action.KILL_VALKEY),
        Fault(RESTART_VALKEY_MS, Action.RESTART_VALKEY),
        Fault(FREEZES_MS[1], Action.FREEZE_WORKER, victim),
        Fault(FREEZES_MS[1] + FREEZE_DURATION_MS, Action.THAW_WORKER, victim),
    )


# ---- balances


def _open_the_shop(notebook: Notebook) -> None:
    for account in ACCOUNTS:
        for sku in SKUS:
            _count(notebook, 0, account, sku, notebook.random.randint(2_000, 4_000))
        _count(notebook, 0, account, FLASH_SKU, 40)
        _count(notebook, 0, account, PAIR_SKU, 3)
        _count(notebook, 0, account, CRATE_SKU, 500)
        _count(notebook, 0, account, "gift-card", 0, terms={"unlimited": True})
        _count(notebook, 0, account, "spare-part", 30, terms={"limit": 10})
        _count(notebook, 0, account, "made-to-order", 0, terms={"limit": -200})


def _recount(notebook: Notebook) -> None:
    """Counts during the day: newer ones, outdated ones, and two that contradict each other."""
    for at_ms in range(4_000, CLOSING_MS, 1_000):
        account = notebook.random.choice(ACCOUNTS)
        sku = notebook.random.choice(SKUS)
        units = notebook.random.randint(2_000, 4_000)
        _count(notebook, at_ms, account, sku, units, dated_ms=at_ms - 400)
        if at_ms % 5_000 == 0:
            _count(notebook, at_ms + 300, account, sku, 1, dated_ms=at_ms - 3_000)
        if at_ms % 7_000 == 0:
            _count(notebook, at_ms + 600, account, sku, units + 7, dated_ms=at_ms - 400)
    for account in ACCOUNTS:
        _count(notebook, 18_000, account, "made-to-order", 1)
        _count(notebook, 21_000, account, FLASH_SKU, 60)


def _count_in_the_evening(notebook: Notebook) -> None:
    for account in ACCOUNTS:
        for sku in (*SKUS, FLASH_SKU):
            at_ms = EVENING_COUNT_MS + notebook.random.randint(0, 500)
            _count(notebook, at_ms, account, sku, notebook.random.randint(1_500, 2_500))
        _count(notebook, EVENING_COUNT_MS, account, CRATE_SKU, 300)


def _count(
    notebook: Notebook,
    at_ms: int,
    account: str,
    sku: str,
    on_hand: int,
    *,
    dated_ms: int | None = None,
    terms: Mapping[str, object] | None = None,
) -> None:
    """Note a balance; its terms (``limit``, ``unlimited``) may come with it."""
    body: dict[str, object] = {
        "account": account,
        "warehouse_id": "main",
        "sku": sku,
        "on_hand": on_hand,
        "counted_at": notebook.time(at_ms if dated_ms is None else dated_ms),
        **(terms or {}),
    }
    notebook.write(at_ms, INVENTORY_UPDATED, f"{account}/{sku}", body)


# ---- orders


def _sell_all_day(notebook: Notebook) -> None:
    stories, weights = list(STORIES), list(STORIES.values())
    number, at_ms = 0, OPENING_MS
    while at_ms < CLOSING_MS:
        number += 1
        order = Order(_account(notebook), f"day-{number}", at_ms, _lines(notebook))
        notebook.random.choices(stories, weights)[0](notebook, order)
        at_ms += 1 + int(notebook.random.expovariate(STEADY_ORDERS_PER_SECOND / 1_000))


def _flash_sale(notebook: Notebook) -> None:
    """Of 300 buyers few are lucky; a refused order read again stays refused after new stock."""
    for number in range(300):
        at_ms = FLASH_SALE_MS + notebook.random.randint(0, 1_500)
        lines = (Line("1", FLASH_SKU, notebook.random.randint(1, 2)),)
        order = Order(_account(notebook), f"flash-{number}", at_ms, lines)
        orders.complete(notebook, order)
        if number % 3 == 0:
            orders.pay(notebook, order, at_ms + notebook.random.randint(200, 2_000))
        if number % 10 == 0:
            notebook.repeat(notebook.records[-1], 23_000)
            orders.complete(notebook, order, at_ms=23_000)


def _last_pairs(notebook: Notebook) -> None:
    """Three units are left; two lines of two units each must not pass one by one."""
    for number, account in enumerate(ACCOUNTS * 3):
        at_ms = FLASH_SALE_MS + 2_000 + number * 100
        lines = (Line("1", PAIR_SKU, 2), Line("2", PAIR_SKU, 2))
        orders.complete(notebook, Order(account, f"pair-{number}", at_ms, lines))


def _noon_rush(notebook: Notebook) -> None:
    """A burst in which a worker dies; many pay just before a deadline that passes meanwhile.

    Half of the orders come in the blink before, so that the worker dies in the middle of them.
    """
    for number in range(1_200):
        at_ms = RUSH_MS + notebook.random.randint(0, RUSH_SPREAD_MS)
        if number % 2:
            at_ms = KILL_WORKER_MS - notebook.random.randint(10, 60)
        order = Order(_account(notebook), f"rush-{number}", at_ms, _lines(notebook))
        if number % 3 == 0:
            orders.complete(notebook, order, seconds_to_live=2)
            orders.pay(notebook, order, at_ms + notebook.random.randint(800, 1_500))
        elif number % 3 == 1:
            orders.complete(notebook, order)
            orders.pay(notebook, order, at_ms + notebook.random.randint(10, 300))
        else:
            orders.paid_and_delivered(notebook, order)


def _pay_while_a_worker_is_frozen(notebook: Notebook) -> None:
    """Payments in time that nobody reads before their deadlines have passed: expiry must wait."""
    for freeze_ms in FREEZES_MS:
        for number in range(60):
            at_ms = freeze_ms + notebook.random.randint(20, 400)
            order_id = f"frozen-{freeze_ms}-{number}"
            order = Order(_account(notebook), order_id, at_ms, _lines(notebook))
            orders.complete(notebook, order, seconds_to_live=1)
            orders.pay(notebook, order, at_ms + notebook.random.randint(300, 800))


def _crates(notebook: Notebook) -> None:
    """More deliveries of one stock than one step may settle."""
    for number in range(150):
        at_ms = 18_000 + number * 40
        order = Order(ACCOUNTS[1], f"crate-{number}", at_ms, (Line("1", CRATE_SKU, 1),))
        orders.complete(notebook, order)
        orders.invoice(notebook, order, at_ms + 500, invoice_id=f"nf-crate-{number}")


def _account(notebook: Notebook) -> str:
    return notebook.random.choice(ACCOUNTS)


def _lines(notebook: Notebook) -> tuple[Line, ...]:
    special = notebook.random.random()
    if special < 0.06:  # noqa: PLR2004 -- few orders are for special stocks
        sku = notebook.random.choice(("gift-card", "spare-part", "made-to-order"))
        return (Line("1", sku, notebook.random.randint(1, 3)),)
    count = notebook.random.choice((1, 1, 2, 2, 3))
    skus = notebook.random.sample(SKUS, count)
    return tuple(
        Line(str(number), sku, notebook.random.randint(1, 4))
        for number, sku in enumerate(skus, start=1)
    )
