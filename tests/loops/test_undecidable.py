"""A fact that breaks the step's script is found, said and put away; all others go on."""

from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from reservation_worker.deadlines import RetentionConfig
from reservation_worker.domain.facts import (
    DeadlineReached,
    Fact,
    OrderCompleted,
    PaymentApproved,
    ReservationSettlementDue,
    RetentionReached,
)
from reservation_worker.isolation import TRY_AGAIN_AFTER_MS
from reservation_worker.ports import FatallyBroken
from reservation_worker.telemetry.log_events import FACT_UNDECIDABLE
from tests.loops.assembly import Loops
from tests.loops.small_shop import SmallShop

ORDERS = 20
POISON = {"A3", "A11"}
DAY_MS = 86_400_000


def is_poison(fact: Fact) -> bool:
    """Tell whether the script breaks on a fact: an order's, and its payment."""
    return isinstance(fact, OrderCompleted | PaymentApproved) and fact.order_id in POISON


def violations(worker: Loops) -> float | None:
    """Return how often a fact could not be decided."""
    return worker.metrics.registry.get_sample_value(
        "reservation_invariant_violations_total", {"invariant": "fact_decidable"}
    )


def a_day(shop: SmallShop) -> None:
    """Write orders and payments, two of each of which break the script."""
    shop.count("boots", 100)
    for number in range(ORDERS):
        shop.order(f"A{number}", "boots")
        shop.pay(f"A{number}")


@pytest.mark.parametrize("tears", [False, True])
def test_facts_that_break_the_script_are_dead_letters_and_the_others_are_not(
    tears: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Every worker in turn once ended on such a fact, for ever; with or without torn shards."""
    shop = SmallShop()
    shop.store.break_on(is_poison, tears=tears)
    a_day(shop)
    worker = shop.start()
    shop.finish(worker)
    good = {f"acme/A{number}" for number in range(ORDERS)} - {f"acme/{one}" for one in POISON}
    assert dict.fromkeys(good, "Confirmed") == shop.statuses()
    letters = [dict(letter.headers) for letter in shop.broker.dead_letters]
    assert {b"UNDECIDABLE"} == {letter["reservation.dlq.code"] for letter in letters}
    places = {(one["__dlq.errors.topic"], one["__dlq.errors.offset"]) for one in letters}
    topics = (b"order-completed", b"payment-approved")
    assert {(topic, offset) for topic in topics for offset in (b"3", b"11")} == places
    assert 4 == len(letters) == violations(worker)
    shop.check_order_of_publication()


def test_what_breaks_the_script_is_said_with_its_place() -> None:
    """Whoever reads the log can open the record."""
    shop = SmallShop()
    shop.store.break_on(is_poison)
    a_day(shop)
    with capture_logs() as lines:
        shop.finish(shop.start())
    said = [line for line in lines if line["event"] == FACT_UNDECIDABLE]
    assert 4 == len(said)
    assert ("order-completed", 11) in {(line["topic"], line["offset"]) for line in said}


def test_a_script_that_breaks_on_everything_ends_the_loop_and_dead_letters_nothing() -> None:
    """It is not the fact's fault, and no input is lost for it."""
    shop = SmallShop()
    shop.store.break_on(lambda _fact: True)
    a_day(shop)
    worker = shop.start()
    with pytest.raises(FatallyBroken, match="Every step fails"):
        shop.finish(worker)
    assert not shop.broker.dead_letters


def test_a_deadline_that_breaks_the_script_is_set_aside_and_the_others_are_stated() -> None:
    """It stays due: without being set aside it would be tried again without pause."""
    shop = SmallShop()
    tried: list[Fact] = []

    def is_broken(fact: Fact) -> bool:
        if isinstance(fact, DeadlineReached) and fact.order_id == "A3":
            tried.append(fact)
            return True
        return False

    shop.store.break_on(is_broken)
    shop.count("boots", 100)
    for number in range(6):
        shop.order(f"A{number}", "boots", ttl_seconds=1)
    worker = shop.start()
    shop.finish(worker)
    for _ in range(100):
        shop.turn(worker)
    others = {f"acme/A{number}": "Expired" for number in range(6)}
    assert {**others, "acme/A3": "Authorized"} == shop.statuses()
    assert len(tried) <= 5
    assert 1 == violations(worker)
    shop.store.break_on(lambda _fact: False)
    shop.clock.advance(TRY_AGAIN_AFTER_MS)
    shop.turn_until(lambda: shop.statuses() == others, "the last one expires as well", worker)


def is_settlement(fact: Fact) -> bool:
    """Tell whether a balance asks an order to settle what it has taken out of the stock."""
    return isinstance(fact, ReservationSettlementDue)


def is_removal(fact: Fact) -> bool:
    """Tell whether an order has been kept long enough."""
    return isinstance(fact, RetentionReached)


@pytest.mark.parametrize(
    ("breaks", "before", "after"),
    [
        (is_settlement, "Acknowledged", "Settled"),
        (is_removal, "Settled", "Settled, removed"),
    ],
)
def test_whatever_time_states_is_set_aside_for_a_while(
    breaks: Callable[[Fact], bool], before: str, after: str
) -> None:
    """A settlement and a removal stay due like a deadline, and are tried again at last."""
    shop, tried = SmallShop(), list[Fact]()
    shop.retention = RetentionConfig(over_ms=1_000 if breaks is is_removal else DAY_MS)

    def is_broken(fact: Fact) -> bool:
        tried.extend([fact] if breaks(fact) else [])
        return breaks(fact)

    shop.store.break_on(is_broken)
    shop.count("boots", 100)
    shop.order("A", "boots")
    shop.invoice("A")
    worker = shop.start()
    shop.finish(worker)
    shop.count("boots", 98, at="00:05")
    shop.clock.advance(600_000)
    shop.finish(worker)
    for _ in range(100):
        shop.turn(worker)
    assert {"acme/A": before} == shop.fates()
    assert 1 <= len(tried) <= 2
    assert 1 == violations(worker)
    shop.store.break_on(lambda _fact: False)
    shop.clock.advance(TRY_AGAIN_AFTER_MS)
    shop.turn_until(lambda: shop.fates() == {"acme/A": after}, "it is tried again", worker)
