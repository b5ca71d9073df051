"""Each fault that is planted in a faultless day turns its law red and is named."""

from dataclasses import replace

from reservation_worker.audit.verdict import LawVerdict
from reservation_worker.contracts.records import Record
from tests.audit.small_day import (
    ACKNOWLEDGED,
    CHANGED,
    DEAD_LETTERS,
    STOCK_CHANGED,
    Shop,
    ordinary_shop,
)


def _broken(shop: Shop, audited_after_ms: int = 0) -> dict[str, LawVerdict]:
    verdict = shop.worker.verdict(shop.worker.now_ms + audited_after_ms)
    assert not verdict.holds
    return {law.law.value: law for law in verdict.laws if law.violations}


def _sentences(shop: Shop, law: str) -> str:
    return " | ".join(_broken(shop)[law].examples)


def test_faultless_day_holds_every_law() -> None:
    """Or the tests below would find what was not planted."""
    verdict = ordinary_shop().worker.verdict()
    assert [] == [example for law in verdict.laws for example in law.examples]
    assert verdict.holds


def test_law_that_was_never_checked_is_not_proven() -> None:
    """Empty topics prove nothing."""
    assert not Shop().worker.verdict().holds


def test_order_without_any_outcome_is_named() -> None:
    """G2: its offset was committed, and nothing came of it."""
    shop = ordinary_shop()
    record = shop.order(7_000, "lost", is_taken=False)
    assert {"G2"} == set(_broken(shop))
    assert f"order-completed/0@{record.offset} (order acme/lost)" in _sentences(shop, "G2")


def test_refusal_that_was_not_published_is_named() -> None:
    """G2: a denial is an outcome as well."""
    shop = ordinary_shop()
    shop.order(7_000, "denied", 500, is_taken=False)
    assert "the ledger still says refused" in _sentences(shop, "G2")


def test_lost_payment_is_found_by_three_laws() -> None:
    """G2, G4 and G6: money was taken, and nobody answers."""
    shop = ordinary_shop()
    shop.order(7_000, "waiting")
    shop.pay(7_100, "waiting", is_taken=False)
    assert {"G2", "G4", "G6"} == set(_broken(shop))
    assert "acme/waiting, which ends Authorized and unpaid" in _sentences(shop, "G6")


def test_repeat_needs_no_event_of_its_own() -> None:
    """A duplicate that changed nothing has its outcome all the same."""
    shop = ordinary_shop()
    shop.pay(7_000, "paid")
    assert shop.worker.verdict().holds


def test_poison_without_a_dead_letter_is_named() -> None:
    """G2: what cannot be used must not disappear."""
    shop = ordinary_shop()
    shop.broken(7_000, is_taken=False)
    assert "cannot be used (DECODE_FAILED), but has no dead letter" in _sentences(shop, "G2")


def test_dead_letter_that_is_not_byte_for_byte_is_named() -> None:
    """G2: a replay of it must be the same fact."""
    shop = ordinary_shop()
    shop.edit_last(DEAD_LETTERS, lambda record: replace(record, value=b"another"))
    assert "is dead-lettered twice, or not byte for byte" in _sentences(shop, "G2")


def test_dead_letter_of_a_fact_that_is_in_effect_is_named() -> None:
    """G2: two outcomes are one too many."""
    shop = ordinary_shop()
    paid = next(one for one in shop.worker.inputs if one.topic == "payment-approved")

    def point_at_payment(record: Record) -> Record:
        own = tuple(
            (name, b"payment-approved" if name == "__dlq.errors.topic" else value)
            for name, value in record.headers
        )
        own = tuple((name, b"0" if name == "__dlq.errors.offset" else value) for name, value in own)
        return replace(record, key=paid.key, value=paid.value, headers=own)

    shop.edit_last(DEAD_LETTERS, point_at_payment)
    assert "payment-approved/0@0 is in effect and a dead letter as well" in _sentences(shop, "G2")


def test_event_published_twice_is_named() -> None:
    """G3: an aborted attempt must not be seen, a committed one not repeated."""
    shop = ordinary_shop()
    again = shop.worker.outputs[-1]
    shop.worker.outputs.append(replace(again, offset=again.offset + 1))
    assert {"G3"} == set(_broken(shop))
    assert "was published again, or too late" in _sentences(shop, "G3")


def test_torn_step_is_named() -> None:
    """G3: a step is published whole or not at all."""
    shop = ordinary_shop()
    shop.drop_last(ACKNOWLEDGED)
    assert "is torn" in _sentences(shop, "G3")


def test_missing_version_is_named() -> None:
    """G3: a reader that counts versions would wait for ever."""
    shop = ordinary_shop()
    del shop.worker.outputs[
        next(
            index
            for index, record in enumerate(shop.worker.outputs)
            if record.topic == CHANGED and b'"order_id":"late"' in (record.value or b"")
        )
    ]
    assert "acme/late has version 2 after version 0" in _sentences(shop, "G3")


def test_event_in_another_partition_is_named() -> None:
    """G3: readers rely on the order within an account's partition."""
    shop = ordinary_shop()
    shop.edit_last(CHANGED, lambda record: replace(record, partition=record.partition ^ 1))
    assert "wrong partition, key or ce_id" in _sentences(shop, "G3")


def test_units_that_vanish_from_a_stock_are_named() -> None:
    """G1: every unit is in exactly one bucket."""
    shop = ordinary_shop()
    shop.rewrite_last(STOCK_CHANGED, available=1)
    assert "units on hand, but" in _sentences(shop, "G1")


def test_unit_sold_twice_is_named() -> None:
    """G1: the ledger denies what the worker held."""
    shop = Shop()
    shop.count(0, 3)
    record = shop.order(100, "double", 2)
    shop.worker.stocks = {
        stock_id: replace(stock, on_hand=100) for stock_id, stock in shop.worker.stocks.items()
    }
    shop.order(200, "too-much", 2)
    shop.rewrite_last(STOCK_CHANGED, on_hand=3, available=-1)
    sentences = _sentences(shop, "G1")
    assert "acme/main/mug was sold down to -1 available units, below its limit of 0" in sentences
    assert f"order-completed/0@{record.offset + 1}, but the ledger differs" in sentences


def test_stock_that_does_not_follow_its_reservations_is_named() -> None:
    """G1: buckets are sums of what reservations hold."""
    shop = ordinary_shop()
    shop.rewrite_last(STOCK_CHANGED, authorized=4, available=3)
    assert "says 4 authorized" in _sentences(shop, "G1")


def test_change_that_the_ledger_would_not_make_is_named_with_its_fields() -> None:
    """G2: an outcome must be the specification's."""
    shop = ordinary_shop()
    shop.rewrite_last(CHANGED, conflicts=["paid_twice"])
    assert 'conflicts is ["paid_twice"] instead of []' in _sentences(shop, "G2")


def test_expiry_of_a_paid_reservation_is_named() -> None:
    """G5: the payment stood in its topic before the deadline."""
    shop = ordinary_shop()
    shop.order(7_000, "robbed", seconds_to_live=2)
    shop.pay(8_000, "robbed", is_taken=False)
    shop.pass_time(20_000)
    shop.worker.take(shop.worker.inputs[-1])
    assert {"G5"} == set(_broken(shop))
    assert "acme/robbed was expired, but payment-approved/0@2 paid it" in _sentences(shop, "G5")


def test_expiry_before_the_grace_period_is_named() -> None:
    """G5: a payment may still be on its way."""
    shop = ordinary_shop()
    shop.order(7_000, "hasty", seconds_to_live=2)
    shop.pass_time(20_000)
    shop.edit_last(CHANGED, lambda one: replace(one, timestamp_ms=one.timestamp_ms - 10_500))
    assert "acme/hasty was expired 500 ms too early" in _sentences(shop, "G5")


def test_unpaid_reservation_that_is_never_expired_is_named() -> None:
    """G5: its units must go back on sale."""
    shop = ordinary_shop()
    shop.order(7_000, "forgotten", seconds_to_live=2)
    broken = _broken(shop, audited_after_ms=60_000)
    assert {"G5"} == set(broken)
    assert "acme/forgotten is unpaid and still held" in broken["G5"].examples[0]


def test_late_payment_without_units_and_without_refund_is_named() -> None:
    """G6: a late payment never disappears."""
    shop = ordinary_shop()
    shop.pay(7_000, "greedy")
    assert shop.worker.verdict().holds
    shop.rewrite_last(CHANGED, refund_needed=False)
    assert "was paid late and is Denied with refund_needed False" in _sentences(shop, "G6")


def test_order_of_arrival_that_matters_is_named() -> None:
    """G4: told in another order, the same facts end elsewhere."""
    shop = ordinary_shop()
    shop.order(7_000, "arrived", 2)
    shop.rewrite_last(CHANGED, lines=[_line(held=1, canceled=1)])
    assert "acme/arrived ended Authorized" in _sentences(shop, "G4")


def test_one_fault_does_not_accuse_the_changes_behind_it() -> None:
    """The published state is taken over: one fault is one violation of the ledger's word."""
    shop = ordinary_shop()
    shop.order(7_000, "short", 2)
    shop.rewrite_last(CHANGED, conflicts=["paid_twice"])
    shop.order(7_100, "next", 1)
    assert 1 == _broken(shop)["G2"].violations


def test_violations_are_counted_beyond_those_that_are_named() -> None:
    """A broken worker must not fill the screen."""
    shop = ordinary_shop()
    for number in range(30):
        shop.order(7_000 + number, f"lost-{number}", is_taken=False)
    law = _broken(shop)["G2"]
    assert (30, 20) == (law.violations, len(law.examples))


def _line(**units: int) -> dict[str, object]:
    places = dict.fromkeys(("held", "acknowledged", "settled", "canceled", "expired", "denied"), 0)
    line = {"line_id": "1", "warehouse_id": "main", "sku": "mug", "quantity": 2}
    return {**line, **places, **units}
