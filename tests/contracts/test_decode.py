"""From records to facts: every field of every event, and what the account decides."""

from typing import Any

import pytest

from reservation_worker.contracts.decode import CLOCK_SKEW_MS
from reservation_worker.contracts.inputs import FactKind
from reservation_worker.contracts.instants import instant_text
from reservation_worker.contracts.records import Record, Rejection, RejectionCode
from reservation_worker.domain.facts import (
    BalanceCounted,
    Cause,
    InputFact,
    LineUnits,
    OrderCanceled,
    OrderCompleted,
    OrderInvoiced,
    OrderLine,
    PaymentApproved,
)
from tests.contracts.reading import (
    BALANCE,
    BODIES,
    CANCELLATION,
    INVOICE,
    ORDER,
    PAYMENT,
    READ_AT_MS,
    assert_rejected,
    decoder,
    json_record,
)

TIME_FIELD = {
    FactKind.ORDER_COMPLETED: "completed_at",
    FactKind.PAYMENT_APPROVED: "approved_at",
    FactKind.ORDER_INVOICED: "invoiced_at",
    FactKind.ORDER_CANCELED: "canceled_at",
    FactKind.INVENTORY_UPDATED: "counted_at",
}
HOUR_MS = 60 * 60 * 1000


def cause_of(kind: FactKind) -> Cause:
    """Return the cause of every fact here."""
    return Cause(f"shop.{kind.value}", 3, 8812)


EXPECTED: dict[FactKind, InputFact] = {
    FactKind.ORDER_COMPLETED: OrderCompleted(
        "acme",
        "v7300001-01",
        READ_AT_MS,
        READ_AT_MS + 7 * 24 * HOUR_MS + 9 * HOUR_MS,
        (OrderLine("1", "main", "2000017", 2), OrderLine("2", "main", "2000044", 1)),
        cause_of(FactKind.ORDER_COMPLETED),
    ),
    FactKind.PAYMENT_APPROVED: PaymentApproved(
        "acme",
        "v7300001-01",
        READ_AT_MS - 56 * 60_000 + 10_000,
        "p-1",
        reacquire=True,
        cause=cause_of(FactKind.PAYMENT_APPROVED),
    ),
    FactKind.ORDER_INVOICED: OrderInvoiced(
        "acme",
        "v7300001-01",
        READ_AT_MS - HOUR_MS // 2 + 500,
        READ_AT_MS - HOUR_MS // 2 + 500,
        "NF-1001",
        (LineUnits("1", 2),),
        cause_of(FactKind.ORDER_INVOICED),
    ),
    FactKind.ORDER_CANCELED: OrderCanceled(
        "acme",
        "v7300001-01",
        READ_AT_MS - HOUR_MS,
        "C-1",
        (LineUnits("2", 1),),
        cause_of(FactKind.ORDER_CANCELED),
    ),
    FactKind.INVENTORY_UPDATED: BalanceCounted(
        "acme",
        "main",
        "2000017",
        100,
        READ_AT_MS - 13 * HOUR_MS,
        -5,
        unlimited=False,
        cause=cause_of(FactKind.INVENTORY_UPDATED),
    ),
}


def without(body: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return a body without some of its fields."""
    return {name: value for name, value in body.items() if name not in names}


@pytest.mark.parametrize("kind", FactKind)
def test_every_field_reaches_the_fact(kind: FactKind) -> None:
    """A field that is read into the wrong place would move the wrong units."""
    assert EXPECTED[kind] == decoder().decode(json_record(kind, BODIES[kind]))


@pytest.mark.parametrize("kind", FactKind)
def test_unknown_fields_are_ignored(kind: FactKind) -> None:
    """The writer may be newer: its new fields, floats included, are none of our business."""
    newer = BODIES[kind] | {"channel": {"weight": 1.5, "tags": [None, True]}, "é": 10**20}
    assert EXPECTED[kind] == decoder().decode(json_record(kind, newer))


@pytest.mark.parametrize("kind", FactKind)
def test_absent_account_is_the_default_one_where_there_is_one(kind: FactKind) -> None:
    """A shop with one account need not name it; a shop with several must."""
    anonymous = json_record(kind, without(BODIES[kind], "account"))
    assert EXPECTED[kind] == decoder(default_account="acme").decode(anonymous)
    missing = Rejection(RejectionCode.SCHEMA_INVALID, "/account", "A required field is missing.")
    assert missing == decoder().decode(anonymous)


def test_named_account_is_not_replaced_by_the_default_one() -> None:
    """Otherwise one account would reach another's stock."""
    fact = decoder(default_account="other").decode(json_record(FactKind.INVENTORY_UPDATED, BALANCE))
    assert isinstance(fact, BalanceCounted)
    assert fact.account == "acme"


def test_optional_fields_may_be_absent_or_null() -> None:
    """Many producers write null for what they do not have."""
    absent = without(INVOICE, "invoice_id", "lines")
    null = absent | {"invoice_id": None}
    expected = OrderInvoiced(
        "acme",
        "v7300001-01",
        READ_AT_MS - HOUR_MS // 2 + 500,
        READ_AT_MS - HOUR_MS // 2 + 500,
        None,
        (),
        cause_of(FactKind.ORDER_INVOICED),
    )
    for body in (absent, null):
        assert expected == decoder().decode(json_record(FactKind.ORDER_INVOICED, body))


def test_account_decides_what_a_late_payment_does_and_where_its_days_end() -> None:
    """Policies are per account; the fact carries what they say."""
    reader = decoder()
    payment = reader.decode(
        json_record(FactKind.PAYMENT_APPROVED, PAYMENT | {"account": "refunding"})
    )
    order = reader.decode(json_record(FactKind.ORDER_COMPLETED, ORDER | {"account": "refunding"}))
    assert isinstance(payment, PaymentApproved)
    assert isinstance(order, OrderCompleted)
    day_end_ms = READ_AT_MS + (7 * 24 + 12) * HOUR_MS
    assert not payment.reacquire
    assert day_end_ms == order.expires_at_ms


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"reservation_expires_at": "2027-12-28T15:00:00Z"}, READ_AT_MS + 400 * 24 * HOUR_MS),
        ({"reservation_ttl_seconds": 60}, READ_AT_MS + 60_000),
        ({"payment": {"method": "wallet"}}, READ_AT_MS + 900_000),
        ({"payment": None, "incomplete": True}, READ_AT_MS + 11 * 24 * HOUR_MS),
        ({"payment": {}}, READ_AT_MS + 7 * 24 * HOUR_MS),
    ],
    ids=["lock", "ttl", "method", "incomplete", "default"],
)
def test_deadline_comes_with_the_order(fields: dict[str, Any], expected: int) -> None:
    """Also one far ahead of the record: deadlines are exempt from the clock skew."""
    fact = decoder().decode(json_record(FactKind.ORDER_COMPLETED, ORDER | fields))
    assert isinstance(fact, OrderCompleted)
    assert expected == fact.expires_at_ms


@pytest.mark.parametrize("kind", FactKind)
def test_time_too_far_ahead_of_the_record_is_clock_skew(kind: FactKind) -> None:
    """A count dated 2099 would freeze its stock; ten minutes are forgiven, and not one more."""
    field = TIME_FIELD[kind]
    last = BODIES[kind] | {field: instant_text(READ_AT_MS + CLOCK_SKEW_MS)}
    ahead = BODIES[kind] | {field: instant_text(READ_AT_MS + CLOCK_SKEW_MS + 1)}
    assert not isinstance(decoder().decode(json_record(kind, last)), Rejection)
    assert_rejected(
        RejectionCode.CLOCK_SKEW, f"/{field}", decoder().decode(json_record(kind, ahead))
    )


def test_record_of_a_foreign_topic_is_a_mistake_of_the_caller() -> None:
    """Only subscribed topics are read: anything else is a bug, not a dead letter."""
    foreign = Record("elsewhere", 0, 0, READ_AT_MS, None, b"{}", ())
    with pytest.raises(KeyError):
        decoder().decode(foreign)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2000-01-01T00:00:00Z", 946_684_800_000),
        ("2000-01-01t00:00:00z", 946_684_800_000),
        ("2000-01-01T00:00:00.1Z", 946_684_800_100),
        ("2000-01-01T00:00:00.0019999999Z", 946_684_800_001),
        ("2000-01-01T05:30:00+05:30", 946_684_800_000),
        ("2000-01-01T05:30+0530", 946_684_800_000),
        ("2024-02-29T00:00:00.999-00:00", 1_709_164_800_999),
        ("2024-02-29T00:00Z", 1_709_164_800_000),
    ],
)
def test_times_are_read_to_the_millisecond(text: str, expected: int) -> None:
    """Offsets are applied, finer digits cut off."""
    body = CANCELLATION | {"canceled_at": text}
    fact = decoder().decode(json_record(FactKind.ORDER_CANCELED, body))
    assert isinstance(fact, OrderCanceled)
    assert expected == fact.canceled_at_ms
