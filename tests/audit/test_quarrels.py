"""The auditor judges ties, reused numbers and counted units by the ledger, and does not fail."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from reservation_worker.contracts.dead_letters import CODE_HEADER
from reservation_worker.contracts.records import Record
from tests.audit.small_day import ACKNOWLEDGED, CHANGED, Shop, ordinary_shop, quarrelsome_shop

SHOPS = (ordinary_shop, quarrelsome_shop)


def _examples(shop: Shop) -> str:
    return " | ".join(example for law in shop.worker.verdict().laws for example in law.examples)


def test_a_quarrelsome_day_is_lawful() -> None:
    """What the law allows must not be called a fault: nobody would look again."""
    assert "" == _examples(quarrelsome_shop())


def test_an_order_number_taken_in_silence_is_named() -> None:
    """The reservation was over, and published so, when the order was sent."""
    shop = quarrelsome_shop()
    shop.order(2_000, "again", 2, is_taken=False)
    assert "(order acme/again) has no outcome" in _examples(shop)


def test_a_payment_that_is_not_remembered_is_named() -> None:
    """The first id behind a payment without one is published, or a third would not be noticed."""
    shop = Shop()
    shop.count(0, 10)
    shop.order(100, "A")
    shop.pay(200, "A")
    shop.pay(300, "A", "p1", is_taken=False)
    assert "(order acme/A) has no outcome" in _examples(shop)


def test_a_lower_count_of_one_instant_that_is_lost_is_named() -> None:
    """Too much would be sold."""
    shop = ordinary_shop()
    shop.count(0, 9, is_taken=False)
    assert "balance of acme/main/mug) has no outcome" in _examples(shop)


def test_a_higher_count_of_one_instant_needs_its_dead_letter() -> None:
    """Its sender must learn that another stands."""
    shop = ordinary_shop()
    shop.count(0, 11, is_taken=False)
    assert "cannot be used (BALANCE_DIFFERS), but has no dead letter" in _examples(shop)


def test_a_count_that_gave_way_may_be_a_dead_letter_when_it_is_read_again() -> None:
    """A crash lets it be read twice; that another stands is then true of it."""
    shop = ordinary_shop()
    record = shop.count(7_000, 30)
    shop.count(7_000, 20)
    shop.worker.take(record)
    shop.pass_time(8_000)
    assert "" == _examples(shop)


def test_an_order_stamped_anew_has_two_dates_and_the_first_read_counts() -> None:
    """The law of arrival does not speak of it: what came first stands."""
    shop = Shop()
    shop.count(0, 10)
    shop.order(100, "A")
    shop.order(300, "A")
    shop.invoice(200, "A", "NF1")
    shop.count(250, 9)
    shop.pass_time(1_000)
    assert "" == _examples(shop)


def test_units_settled_without_a_word_are_named() -> None:
    """An ERP that is not told of them books nothing."""
    shop = quarrelsome_shop()
    last = max(n for n, one in enumerate(shop.worker.outputs) if one.topic == ACKNOWLEDGED)
    body = json.loads(shop.worker.outputs[last].value or b"")
    assert [] == body["lines"] != body["already_counted"]
    shop.rewrite_last(ACKNOWLEDGED, already_counted=[])
    assert "already_counted is [] instead of" in _examples(shop)


def test_a_stock_called_sold_out_that_nobody_has_counted_is_named() -> None:
    """A misspelt sku must not look like a good sale."""
    shop = Shop()
    shop.order(100, "A")
    (body,) = [json.loads(one.value or b"") for one in shop.worker.outputs]
    (shortage,) = body["shortages"]
    shop.rewrite_last(CHANGED, shortages=[shortage | {"unknown": False}])
    assert "shortages is" in _examples(shop)


def test_a_reservation_that_no_input_names_is_a_violation() -> None:
    """The auditor goes on: what else is wrong is found as well."""
    shop = ordinary_shop()
    stranger = ordinary_shop()
    stranger.order(7_000, "stranger")
    shop.worker.outputs += stranger.worker.outputs[len(shop.worker.outputs) :]
    assert "acme/stranger is published, but no input record names it" in _examples(shop)


@pytest.mark.parametrize("make", SHOPS)
def test_each_event_and_dead_letter_is_missed(make: Callable[[], Shop]) -> None:
    """Nothing that is published may be lost, but a letter that a crash turns into a repeat."""
    for number, record in enumerate(make().worker.outputs):
        if (CODE_HEADER, b"BALANCE_DIFFERS") in record.headers:
            continue
        shop = make()
        del shop.worker.outputs[number]
        assert _examples(shop), f"nobody misses output {number}"


@pytest.mark.parametrize("make", SHOPS)
def test_no_lost_or_foreign_record_makes_the_auditor_fail(make: Callable[[], Shop]) -> None:
    """Topics that somebody deleted from, or wrote to, are what it is for."""
    shop = make()
    for topic in sorted({one.topic for one in shop.worker.inputs}):
        shop = make()
        shop.worker.inputs = [one for one in shop.worker.inputs if one.topic != topic]
        assert _examples(shop)
    for number in range(len(make().worker.inputs)):
        shop = make()
        del shop.worker.inputs[number]
        shop.worker.verdict()
    for number, record in enumerate(make().worker.outputs):
        for damaged in _damaged(record)[number % 4 :: 4]:
            shop = make()
            shop.worker.outputs[number] = damaged
            assert _examples(shop), (number, damaged)


def _damaged(record: Record) -> list[Record]:
    body = json.loads(record.value) if record.value and record.value.startswith(b"{") else None
    if not body or "event_id" not in body:
        return [replace(record, value=b"{}")]
    members: list[dict[str, object]] = [
        {"version": 99},
        {"account": "other"},
        {"order_id": "nobody"},
        {"lines": []},
    ]
    members += [{"cause": {"topic": "x", "partition": 1, "offset": 2}}, {"on_hand": -5}]
    members += [{"completed_at": None}, {"internal": {}}, {"sku": "x"}, {"shortages": [1]}]
    return [
        replace(record, value=json.dumps(body | one).encode())
        for one in members
        if any(name in body and body[name] != value for name, value in one.items())
    ]
