"""What comes out for what goes in, to the byte: every fact, one after the other."""

from typing import Any

from tests.integration.golden import (
    COMPLETED,
    EVENING,
    FAR_DEADLINE,
    FIRST_INVOICE,
    MORNING,
    NOON_COUNT,
    PAID,
    SECOND_INVOICE,
    GoldenShop,
    line,
    ordered,
)
from tests.integration.golden_openings import TWO_UNITS, authorized, expired
from tests.integration.shop import bare
from tests.integration.stage import REFUNDING_ACCOUNT, Stage


def test_order_lives_from_its_completion_to_its_settlement(shop: GoldenShop) -> None:
    """Due on a Wednesday: the deadline is five days later, at the end of the day."""
    shop.open()
    shop.count(5, MORNING, sku="jug", limit=1)
    cups = {"on_hand": 10, "counted_at": MORNING}
    jugs = {"on_hand": 5, "counted_at": MORNING, "limit": 1}
    shop.expect(shop.stock("jug", 1, MORNING, **jugs, available=5))

    both = [ordered("1", "cup", 2), ordered("2", "jug", 1)]
    terms = {"payment": {"method": "bank-slip", "due_date": "2033-01-05"}}
    shop.complete("v1", both, **terms)
    known = {"completed_at": COMPLETED}
    shop.expect(
        shop.change(
            "v1",
            1,
            status="Authorized",
            previous_status=None,
            reason="order_completed",
            occurred_at=COMPLETED,
            expires_at=FAR_DEADLINE,
            lines=[line("1", "cup", 2, held=2), line("2", "jug", 1, held=1)],
            **known,
        ),
        shop.stock("cup", 2, COMPLETED, **cups, available=8, authorized=2),
        shop.stock("jug", 2, COMPLETED, **jugs, available=4, authorized=1),
    )

    shop.pay("v1")
    known["paid_at"] = PAID
    shop.expect(
        shop.change(
            "v1",
            2,
            status="Confirmed",
            previous_status="Authorized",
            reason="payment_approved",
            occurred_at=PAID,
            lines=[line("1", "cup", 2, held=2), line("2", "jug", 1, held=1)],
            **known,
        ),
        shop.stock("cup", 3, PAID, **cups, available=8, confirmed=2),
        shop.stock("jug", 3, PAID, **jugs, available=4, confirmed=1),
    )
    _deliver(shop, known, cups, jugs)
    _settle(shop, known, jugs)


def _deliver(
    shop: GoldenShop, known: dict[str, Any], cups: dict[str, Any], jugs: dict[str, Any]
) -> None:
    identity = {"account": shop.account, "order_id": "v1"}
    part = {"invoice_id": "NF-1", "lines": [{"line_id": "1", "quantity": 1}]}
    shop.tell(bare("order-invoiced", **identity, invoiced_at=FIRST_INVOICE, **part))
    shop.expect(
        shop.change(
            "v1",
            3,
            status="Confirmed",
            previous_status="Confirmed",
            reason="order_invoiced",
            occurred_at=FIRST_INVOICE,
            lines=[line("1", "cup", 2, held=1, acknowledged=1), line("2", "jug", 1, held=1)],
            **known,
        ),
        shop.acknowledged("v1", 3, FIRST_INVOICE, "NF-1", ordered("1", "cup", 1)),
        shop.stock("cup", 4, FIRST_INVOICE, **cups, available=8, confirmed=1, acknowledged=1),
    )
    shop.tell(bare("order-invoiced", **identity, invoiced_at=SECOND_INVOICE))
    rest = (ordered("1", "cup", 1), ordered("2", "jug", 1))
    shop.expect(
        shop.change(
            "v1",
            4,
            status="Acknowledged",
            previous_status="Confirmed",
            reason="order_invoiced",
            occurred_at=SECOND_INVOICE,
            lines=[line("1", "cup", 2, acknowledged=2), line("2", "jug", 1, acknowledged=1)],
            **known,
        ),
        shop.acknowledged("v1", 4, SECOND_INVOICE, None, *rest),
        shop.stock("cup", 5, SECOND_INVOICE, **cups, available=8, acknowledged=2),
        shop.stock("jug", 4, SECOND_INVOICE, **jugs, available=4, acknowledged=1),
    )


def _settle(shop: GoldenShop, known: dict[str, Any], jugs: dict[str, Any]) -> None:
    shop.count(9, NOON_COUNT)
    counted = {"on_hand": 9, "counted_at": NOON_COUNT}
    shop.expect(shop.stock("cup", 6, NOON_COUNT, **counted, available=8, acknowledged=1))
    settled = {"previous_status": "Acknowledged", "reason": "balance_counted", **known}
    first = line("1", "cup", 2, acknowledged=1, settled=1)
    shop.expect(
        shop.change(
            "v1",
            5,
            status="Acknowledged",
            occurred_at=NOON_COUNT,
            lines=[first, line("2", "jug", 1, acknowledged=1)],
            **settled,
        )
    )
    shop.count(7, EVENING)
    counted = {"on_hand": 7, "counted_at": EVENING}
    shop.expect(shop.stock("cup", 7, EVENING, **counted, available=7))
    first = line("1", "cup", 2, settled=2)
    second = line("2", "jug", 1, acknowledged=1)
    evening = {"occurred_at": EVENING, **settled}
    shop.expect(shop.change("v1", 6, status="Acknowledged", lines=[first, second], **evening))
    shop.count(4, EVENING, sku="jug")
    counted = {**jugs, "on_hand": 4, "counted_at": EVENING}
    shop.expect(shop.stock("jug", 5, EVENING, **counted, available=4))
    second = line("2", "jug", 1, settled=1)
    shop.expect(shop.change("v1", 7, status="Settled", lines=[first, second], **evening))


def test_order_is_canceled_in_parts(shop: GoldenShop) -> None:
    """A cancellation names units, or means all that are left."""
    shop.open()
    shop.complete("v1", TWO_UNITS)
    change: dict[str, Any] = {"completed_at": COMPLETED, "occurred_at": COMPLETED}
    change["expires_at"] = FAR_DEADLINE
    held = {"on_hand": 10, "counted_at": MORNING}
    shop.expect(
        shop.change(
            "v1",
            1,
            status="Authorized",
            previous_status=None,
            reason="order_completed",
            lines=[line("1", "cup", 2, held=2)],
            **change,
        ),
        shop.stock("cup", 2, COMPLETED, **held, available=8, authorized=2),
    )
    identity = {"account": shop.account, "order_id": "v1", "canceled_at": FIRST_INVOICE}
    part = {"cancellation_id": "C-1", "lines": [{"line_id": "1", "quantity": 1}]}
    shop.tell(bare("order-canceled", **identity, **part))
    canceled = {"previous_status": "Authorized", "reason": "order_canceled"}
    change["occurred_at"] = FIRST_INVOICE
    lines = [line("1", "cup", 2, held=1, canceled=1)]
    shop.expect(
        shop.change("v1", 2, status="Authorized", lines=lines, **canceled, **change),
        shop.stock("cup", 3, FIRST_INVOICE, **held, available=9, authorized=1),
    )
    shop.tell(bare("order-canceled", **identity, reason="customer_request"))
    change["expires_at"] = None
    lines = [line("1", "cup", 2, canceled=2)]
    shop.expect(
        shop.change("v1", 3, status="Canceled", lines=lines, **canceled, **change),
        shop.stock("cup", 4, FIRST_INVOICE, **held, available=10),
    )


def test_order_is_denied_as_a_whole_and_held_when_it_is_paid_later(shop: GoldenShop) -> None:
    """Two lines on one stock count together; a refusal stays one, until a payment asks again."""
    shop.open(3)
    two_lines = [ordered("1", "cup", 2), ordered("2", "cup", 2)]
    shop.complete("v1", two_lines)
    shortage = {"warehouse_id": "main", "sku": "cup", "requested": 4, "available": 3}
    shortage["unknown"] = False
    shop.expect(
        shop.change(
            "v1",
            1,
            status="Denied",
            previous_status=None,
            reason="order_completed",
            occurred_at=COMPLETED,
            completed_at=COMPLETED,
            lines=[line("1", "cup", 2, denied=2), line("2", "cup", 2, denied=2)],
            shortages=[shortage],
        )
    )
    shop.count(9, NOON_COUNT)
    counted = {"on_hand": 9, "counted_at": NOON_COUNT}
    shop.expect(shop.stock("cup", 2, NOON_COUNT, **counted, available=9))
    shop.complete("v1", two_lines)
    shop.expect_nothing()
    shop.pay("v1")
    shop.expect(
        shop.change(
            "v1",
            2,
            status="Confirmed",
            previous_status="Denied",
            reason="payment_approved",
            occurred_at=PAID,
            completed_at=COMPLETED,
            paid_at=PAID,
            lines=[line("1", "cup", 2, held=2), line("2", "cup", 2, held=2)],
        ),
        shop.stock("cup", 3, PAID, **counted, available=5, confirmed=4),
    )


def test_facts_that_come_before_their_order_wait_for_it(shop: GoldenShop) -> None:
    """The topics are independent: a payment may be read before the order that it pays."""
    shop.open()
    shop.pay("v1")
    awaiting = {"status": "Awaiting", "lines": [], "paid_at": PAID}
    first = {"previous_status": None, "reason": "payment_approved", "occurred_at": PAID}
    shop.expect(shop.change("v1", 1, **awaiting, **first))
    units = {"invoice_id": "NF-1", "lines": [{"line_id": "1", "quantity": 1}]}
    identity = {"account": shop.account, "order_id": "v1", "invoiced_at": FIRST_INVOICE}
    shop.tell(bare("order-invoiced", **identity, **units))
    second = {"previous_status": "Awaiting", "reason": "order_invoiced"}
    shop.expect(shop.change("v1", 2, **awaiting, **second, occurred_at=FIRST_INVOICE))
    shop.complete("v1", TWO_UNITS)
    shop.expect(
        shop.change(
            "v1",
            3,
            status="Confirmed",
            previous_status="Awaiting",
            reason="order_completed",
            occurred_at=COMPLETED,
            completed_at=COMPLETED,
            paid_at=PAID,
            lines=[line("1", "cup", 2, held=1, acknowledged=1)],
        ),
        shop.acknowledged("v1", 3, FIRST_INVOICE, "NF-1", ordered("1", "cup", 1)),
        shop.stock(
            "cup",
            2,
            COMPLETED,
            on_hand=10,
            available=8,
            confirmed=1,
            acknowledged=1,
            counted_at=MORNING,
        ),
    )


def test_expired_order_that_is_paid_is_held_again(shop: GoldenShop) -> None:
    """The money is there, and so are the units."""
    paid = expired(shop)
    shop.pay("v1")
    shop.expect(
        shop.change("v1", 3, status="Confirmed", lines=[line("1", "cup", 2, held=2)], **paid),
        shop.stock("cup", 4, PAID, on_hand=10, available=8, confirmed=2, counted_at=MORNING),
    )


def test_expired_order_of_a_refunding_account_is_to_be_refunded(golden_stage: Stage) -> None:
    """An account may say that what is late is late; the money must not disappear."""
    shop = GoldenShop(golden_stage, REFUNDING_ACCOUNT)
    paid = expired(shop)
    shop.pay("v1")
    lines = [line("1", "cup", 2, expired=2)]
    shop.expect(shop.change("v1", 3, status="Expired", lines=lines, refund_needed=True, **paid))


def test_facts_that_contradict_what_stands_are_published_once(shop: GoldenShop) -> None:
    """Another order under the same id, a second payment: neither moves a unit."""
    first, held = authorized(shop)
    other_lines = [ordered("1", "cup", 3)]
    shop.complete("v1", other_lines)
    differs = {"previous_status": "Authorized", "conflicts": ["order_differs"]}
    shop.expect(shop.change("v1", 2, **first, **held, **differs))
    shop.complete("v1", other_lines)
    shop.pay("v1")
    paid = {"reason": "payment_approved", "occurred_at": PAID, "paid_at": PAID, **held}
    shop.expect(
        shop.change("v1", 3, status="Confirmed", previous_status="Authorized", **paid),
        shop.stock("cup", 3, PAID, on_hand=10, available=8, confirmed=2, counted_at=MORNING),
    )
    shop.pay("v1", "P-2")
    twice = {"previous_status": "Confirmed", "conflicts": ["paid_twice"]}
    shop.expect(shop.change("v1", 4, status="Confirmed", **paid, **twice))
    shop.pay("v1", "P-2")
    shop.expect_nothing()


def test_an_invoice_of_counted_units_tells_the_erp_as_well(shop: GoldenShop) -> None:
    """The count of noon no longer has what the late invoice names; an unknown stock is said so."""
    authorized(shop)
    shop.count(8, NOON_COUNT)
    counted = {"on_hand": 8, "counted_at": NOON_COUNT}
    shop.expect(shop.stock("cup", 3, NOON_COUNT, **counted, available=6, authorized=2))
    whole = {"invoiced_at": FIRST_INVOICE, "invoice_id": "NF-1"}
    shop.tell(bare("order-invoiced", account=shop.account, order_id="v1", **whole))
    shop.expect(
        shop.change(
            "v1",
            2,
            status="Settled",
            previous_status="Authorized",
            reason="order_invoiced",
            occurred_at=FIRST_INVOICE,
            completed_at=COMPLETED,
            lines=[line("1", "cup", 2, settled=2)],
        ),
        shop.acknowledged(
            "v1", 2, FIRST_INVOICE, "NF-1", already_counted=(ordered("1", "cup", 2),)
        ),
        shop.stock("cup", 4, FIRST_INVOICE, **counted, available=8),
    )
    shop.complete("v2", [ordered("1", "cpu", 1)])
    unknown = {"warehouse_id": "main", "sku": "cpu", "requested": 1, "available": 0}
    unknown["unknown"] = True
    denied = {"status": "Denied", "previous_status": None, "shortages": [unknown]}
    denied |= {"reason": "order_completed", "occurred_at": COMPLETED, "completed_at": COMPLETED}
    shop.expect(shop.change("v2", 1, lines=[line("1", "cpu", 1, denied=1)], **denied))


def test_a_payment_without_an_id_takes_the_first_that_comes(shop: GoldenShop) -> None:
    """What must be restored is published: a change that moves nothing; then a third is noticed."""
    shop.open()
    shop.pay("v1", None)
    paid = {"reason": "payment_approved", "occurred_at": PAID, "paid_at": PAID}
    awaiting = {"status": "Awaiting", "lines": []}
    shop.expect(shop.change("v1", 1, previous_status=None, **awaiting, **paid))
    shop.pay("v1", "P-1")
    shop.expect(shop.change("v1", 2, previous_status="Awaiting", **awaiting, **paid))
    shop.pay("v1", None)
    shop.pay("v1", "P-2")
    twice = {"previous_status": "Awaiting", "conflicts": ["paid_twice"]}
    shop.expect(shop.change("v1", 3, **awaiting, **paid, **twice))


def test_auditor_accepts_all_that_was_told(golden_stage: Stage) -> None:
    """What was expected above must also be what the ledger says."""
    golden_stage.wait_until_settled()
    golden_stage.assert_nothing_violated()
