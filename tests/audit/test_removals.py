"""What leaves after its retention: each fault that is planted there is named."""

import json
from collections.abc import Callable
from dataclasses import replace

from reservation_worker.contracts.encode import encode_step
from reservation_worker.contracts.instants import instant_text
from reservation_worker.contracts.records import Record
from reservation_worker.domain.keys import ReservationId
from reservation_worker.domain.outcome import ReservationRemoved
from reservation_worker.domain.reservation import Status
from tests.audit.ledger_worker import AWAITING_RETENTION_MS, OVER_RETENTION_MS
from tests.audit.small_day import CHANGED, DEAD_LETTERS, MORNING_MS, Shop, ordinary_shop

ORDERED_AT_MS = 7_000
GONE_AT_MS = 50_000


def quiet_shop() -> Shop:
    """Return a shop whose refused order and whose payment of none have left."""
    shop = ordinary_shop()
    shop.order(ORDERED_AT_MS, "refused", 500)
    shop.pay(ORDERED_AT_MS, "ghost")
    shop.pass_time(GONE_AT_MS)
    return shop


def sentences(shop: Shop) -> str:
    """Return what the auditor finds violated."""
    verdict = shop.worker.verdict()
    assert not verdict.holds
    return " | ".join(example for law in verdict.laws for example in law.examples)


def tombstone_of(order_id: str) -> Callable[[Record], bool]:
    """Return what tells the tombstone of an order."""
    key = f"acme/{order_id}".encode()
    return lambda record: record.topic == CHANGED and record.key == key and record.value is None


def edit(shop: Shop, is_wanted: Callable[[Record], bool], **members: object) -> None:
    """Falsify the one record that is meant."""
    outputs = shop.worker.outputs
    (index,) = (number for number, record in enumerate(outputs) if is_wanted(record))
    outputs[index] = replace(outputs[index], **members)  # type: ignore[arg-type]


def publish_removal(shop: Shop, order_id: str, status: Status) -> None:
    """Publish a tombstone that no ledger has decided."""
    worker = shop.worker
    removed_at_ms = MORNING_MS + GONE_AT_MS
    removed = ReservationRemoved(ReservationId("acme", order_id), status, removed_at_ms, ())
    worker.publish([removed])


def test_a_day_whose_orders_have_left_holds_every_law() -> None:
    """Or the tests below would find what was not planted."""
    shop = quiet_shop()
    verdict = shop.worker.verdict()
    assert [] == [example for law in verdict.laws for example in law.examples]
    assert verdict.holds
    keys = {record.key for record in shop.worker.outputs if record.value is None}
    assert {b"acme/refused", b"acme/unpaid", b"acme/greedy", b"acme/ghost"} == keys


def test_an_order_that_comes_again_is_judged_as_a_new_one() -> None:
    """And a duplicate of its first life was a repeat then."""
    shop = ordinary_shop()
    shop.order(ORDERED_AT_MS, "refused", 500)
    shop.order(ORDERED_AT_MS, "refused", 500)
    shop.pass_time(GONE_AT_MS)
    shop.order(GONE_AT_MS + 1, "refused", 1)
    shop.pay(GONE_AT_MS + 2, "refused")
    verdict = shop.worker.verdict()
    assert [] == [example for law in verdict.laws for example in law.examples]


def test_a_removal_before_its_retention_is_named() -> None:
    """Whether it says so itself, or its own timestamp does."""
    shop = quiet_shop()
    early = instant_text(MORNING_MS + ORDERED_AT_MS + OVER_RETENTION_MS - 1).encode()
    is_refused = tombstone_of("refused")
    (tombstone,) = filter(is_refused, shop.worker.outputs)
    headers = tuple(
        (name, early if name == "ce_time" else value) for name, value in tombstone.headers
    )
    edit(shop, is_refused, headers=headers)
    assert "acme/refused was removed 1 ms before its retention" in sentences(shop)
    shop = quiet_shop()
    too_soon_ms = MORNING_MS + ORDERED_AT_MS + AWAITING_RETENTION_MS - 5
    edit(shop, tombstone_of("ghost"), timestamp_ms=too_soon_ms)
    assert "acme/ghost was removed 5 ms before its retention" in sentences(shop)


def test_a_tombstone_of_a_live_reservation_is_named() -> None:
    """Its units are held by nobody then."""
    shop = quiet_shop()
    publish_removal(shop, "late", Status.CONFIRMED)
    found = sentences(shop)
    assert "acme/late was removed Confirmed, but the ledger keeps it" in found
    assert "its reservations hold" in found


def test_a_second_tombstone_is_named() -> None:
    """What is gone cannot leave again."""
    shop = quiet_shop()
    publish_removal(shop, "refused", Status.DENIED)
    assert "acme/refused is removed, but was not there, or not any more" in sentences(shop)


def test_versions_that_go_on_behind_a_tombstone_are_named() -> None:
    """Redis still had it, although readers were told that it is gone."""
    shop = quiet_shop()
    shop.order(GONE_AT_MS + 1, "refused", 500)
    shop.rewrite_last(CHANGED, version=2)
    assert "acme/refused has version 2 after version 0" in sentences(shop)


def test_an_orphan_without_its_dead_letter_is_named() -> None:
    """The payment is gone, and nobody was told."""
    shop = quiet_shop()
    shop.drop_last(DEAD_LETTERS)
    assert "acme/ghost was removed before its order came, but no dead letter" in sentences(shop)


def test_an_orphan_whose_dead_letter_names_other_facts_is_named() -> None:
    """Whoever looks for them would look at the wrong place."""
    shop = quiet_shop()

    def falsify(record: Record) -> Record:
        body = json.loads(record.value or b"")
        body["dead_letter_stub"]["facts"][0]["offset"] += 1
        return replace(record, value=json.dumps(body, separators=(",", ":")).encode())

    shop.edit_last(DEAD_LETTERS, falsify)
    assert "but no dead letter names its facts" in sentences(shop)


def test_a_dead_letter_of_an_orphan_that_is_still_there_is_named() -> None:
    """It would be told twice when it does leave."""
    shop = ordinary_shop()
    shop.pay(ORDERED_AT_MS, "ghost")
    removed = ReservationRemoved(
        ReservationId("acme", "ghost"),
        Status.AWAITING,
        MORNING_MS + GONE_AT_MS,
        (("payment-approved", 0, 2),),
    )
    letter = encode_step(0, 1, [removed])[-1]
    last = next(one for one in shop.worker.outputs if one.topic == DEAD_LETTERS)
    shop.worker.outputs.append(
        replace(last, offset=9, key=letter.key, value=letter.value, headers=letter.headers)
    )
    assert "was orphaned, which was not removed" in sentences(shop)


def test_a_fact_that_counts_again_behind_a_removal_is_named() -> None:
    """The retention was shorter than that of its topic."""
    shop = quiet_shop()
    paid = next(one for one in shop.worker.inputs if b"ghost" in (one.value or b""))
    shop.worker.take(paid)
    assert f"payment-approved/0@{paid.offset}" in sentences(shop)


def test_a_tombstone_that_does_not_say_its_step_is_named() -> None:
    """It has no body, so its headers must."""
    shop = quiet_shop()
    edit(shop, tombstone_of("refused"), headers=())
    assert "the event cannot be read" in sentences(shop)
