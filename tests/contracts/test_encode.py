"""What is written: the exact bytes, and that reading them back gives the same state."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reservation_worker.contracts.encode import encode_event, encode_step
from reservation_worker.contracts.instants import instant_text, parse_instant_ms
from reservation_worker.contracts.outputs import (
    ReservationChangedBody,
    StockChangedBody,
    parse_output,
)
from reservation_worker.contracts.records import OutputTopic, step_of
from reservation_worker.contracts.restore import (
    restore_reservation,
    restore_stock,
)
from reservation_worker.contracts.schemas import OUTPUT_EXAMPLES
from reservation_worker.domain.facts import Cause, LineUnits
from reservation_worker.domain.keys import ReservationId, StockId
from reservation_worker.domain.outcome import (
    AcknowledgedLine,
    Conflict,
    PublishedEvent,
    Reason,
    ReservationChanged,
    ReservationRemoved,
    Shortage,
    StockChanged,
    UnitsAcknowledged,
)
from reservation_worker.domain.reservation import (
    AcknowledgedUnits,
    KeptCancellation,
    KeptInvoice,
    Line,
    Remembered,
    Reservation,
    Status,
)
from reservation_worker.domain.stock import Stock
from tests.contracts.changes_at_random import EVENTS, INSTANTS_MS
from tests.published import restored

PAID_AT_MS = 1_795_446_250_000
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
PAID = ReservationChanged(
    Reservation(
        ReservationId("acme", "v7300001-01"),
        version=2,
        completed_at_ms=1_795_446_000_000,
        paid_at_ms=PAID_AT_MS,
        payment_id="PAY-000001",
        order_digest="5d41402abc4b2a76",
        lines=(Line("1", "main", "2000017", 2, held=2),),
    ),
    Status.AUTHORIZED,
    Reason.PAYMENT_APPROVED,
    PAID_AT_MS,
    (),
    (),
    Cause("payment-approved", 3, 8812, None, TRACEPARENT),
)
HANDED_OVER = UnitsAcknowledged(
    "acme",
    "v7300001-01",
    3,
    parse_instant_ms("2026-11-24T09:00:00Z"),
    "NF-1001",
    (AcknowledgedLine("1", "main", "2000017", 2),),
    (),
    None,
)
COUNTED = StockChanged(
    Stock(
        StockId("acme", "main", "2000017"),
        on_hand=100,
        authorized=12,
        confirmed=20,
        acknowledged=10,
        counted_at_ms=parse_instant_ms("2026-11-23T02:00:00Z"),
        counted_by=Cause("inventory-updated", 0, 512),
    ),
    41,
    PAID_AT_MS + 5,
    None,
    None,
)


@pytest.mark.parametrize(
    ("topic", "event"),
    [
        (OutputTopic.RESERVATION_CHANGED, PAID),
        (OutputTopic.ACKNOWLEDGED_RESERVATION, HANDED_OVER),
        (OutputTopic.STOCK_CHANGED, COUNTED),
    ],
    ids=["reservation", "acknowledged", "stock"],
)
def test_body_is_the_published_example_to_the_byte(
    topic: OutputTopic, event: PublishedEvent
) -> None:
    """Names and order of the fields are the contract; the same bytes come from any worker."""
    example = OUTPUT_EXAMPLES[topic]
    expected = json.dumps(example, separators=(",", ":")).encode()
    record = encode_event(event, example["event_id"], 3)
    assert expected == record.value
    assert topic is record.topic


def test_everything_that_restoring_needs_is_in_the_bytes() -> None:
    """The names inside ``internal`` are read by later releases: they are pinned here."""
    reservation = Reservation(
        ReservationId("acme", "A"),
        version=7,
        completed_at_ms=0,
        expires_at_ms=1,
        lines=(Line("1", "w", "s", 3, 1, 2),),
        acknowledged=(AcknowledgedUnits(0, 50, 2),),
        invoices=(Remembered("i", "d1"),),
        cancellations=(Remembered(None, "d2"),),
        conflicts=("paid_twice/p/d3",),
        kept=(KeptInvoice("k", 60, 61, (LineUnits("1", 1),)), KeptCancellation(None, ())),
    )
    change = ReservationChanged(
        reservation,
        None,
        Reason.ORDER_INVOICED,
        1,
        (Shortage(StockId("acme", "w", "s"), 4, 3, unknown=True),),
        (Conflict.INVOICED_TOO_MANY,),
        Cause("t", 1, 2, "e"),
    )
    body = json.loads(encode_event(change, "1-2-3", 1).value or b"")
    expected = {
        "lines": [
            {
                "line_id": "1",
                "warehouse_id": "w",
                "sku": "s",
                "quantity": 3,
                "held": 1,
                "acknowledged": 2,
                "settled": 0,
                "canceled": 0,
                "expired": 0,
                "denied": 0,
            }
        ],
        "shortages": [
            {"warehouse_id": "w", "sku": "s", "requested": 4, "available": 3, "unknown": True}
        ],
        "conflicts": ["invoiced_too_many"],
        "cause": {"topic": "t", "partition": 1, "offset": 2, "event_id": "e"},
        "internal": {
            "acknowledged": [{"line": 0, "invoiced_at_ms": 50, "units": 2}],
            "invoices": [{"id": "i", "digest": "d1"}],
            "cancellations": [{"id": None, "digest": "d2"}],
            "conflicts": ["paid_twice/p/d3"],
            "kept": [
                {
                    "kind": "invoice",
                    "id": "k",
                    "at_ms": 60,
                    "lines": [{"line_id": "1", "quantity": 1}],
                    "compared_at_ms": 61,
                },
                {"kind": "cancellation", "id": None, "lines": []},
            ],
        },
    }
    assert expected == {name: body[name] for name in expected}


def test_headers_are_cloudevents_of_binary_mode() -> None:
    """Subject is the key, partition key the account, time the change's, trace the input's."""
    record = encode_event(PAID, "3-1207-14", 3)
    expected = (
        ("ce_specversion", b"1.0"),
        ("ce_id", b"3-1207-14"),
        ("ce_source", b"/reservation-worker"),
        ("ce_type", b"reservation.changed.v1"),
        ("ce_subject", b"acme/v7300001-01"),
        ("ce_time", b"2026-11-23T15:04:10Z"),
        ("ce_partitionkey", b"acme"),
        ("content-type", b"application/json"),
        ("traceparent", TRACEPARENT.encode()),
    )
    assert expected == record.headers
    assert record.key == b"acme/v7300001-01"


@pytest.mark.parametrize(
    ("event", "event_type", "time", "key"),
    [
        (HANDED_OVER, b"reservation.acknowledged.v1", b"2026-11-24T09:00:00Z", b"acme/v7300001-01"),
        (
            COUNTED,
            b"reservation.stock-changed.v1",
            b"2026-11-23T15:04:10.005Z",
            b"acme/main/2000017",
        ),
    ],
    ids=["acknowledged", "stock"],
)
def test_each_topic_has_its_type_time_and_key(
    event: PublishedEvent, event_type: bytes, time: bytes, key: bytes
) -> None:
    """Bridges route by type; compaction keeps one record for each key."""
    record = encode_event(event, "3-1-0", 3)
    headers = dict(record.headers)
    expected = (event_type, time, key, key)
    assert expected == (headers["ce_type"], headers["ce_time"], headers["ce_subject"], record.key)
    assert "traceparent" not in headers


def test_slash_in_an_id_cannot_reach_another_key() -> None:
    """Otherwise one account could overwrite another's reservation in a compacted topic."""
    keys = {
        encode_event(
            ReservationChanged(
                Reservation(ReservationId(account, order_id), version=1),
                None,
                Reason.ORDER_CANCELED,
                0,
                (),
                (),
                None,
            ),
            "0-1-0",
            0,
        ).key
        for account, order_id in (("a", "b/c"), ("a/b", "c"), ("a%2Fb", "c"), ("a", "b%2Fc"))
    }
    assert len(keys) == 4


def test_events_of_a_step_are_numbered_across_the_topics() -> None:
    """``shard-step-index`` is unique for ever, and the partition is the shard's number."""
    records = encode_step(5, 12, (PAID, HANDED_OVER, COUNTED))
    expected = [(5, b"5-12-0"), (5, b"5-12-1"), (5, b"5-12-2")]
    assert expected == [(record.partition, dict(record.headers)["ce_id"]) for record in records]


def test_what_leaves_is_a_tombstone_and_an_orphan_a_dead_letter_behind_all_events() -> None:
    """Dead letters have no number in the step: an event's number is its place in it."""
    order, ghost = ReservationId("acme", "A"), ReservationId("acme", "B/2")
    removals = (
        ReservationRemoved(ghost, Status.AWAITING, PAID_AT_MS, (("payments", 1, 7),)),
        ReservationRemoved(order, Status.SETTLED, PAID_AT_MS, ()),
    )
    records = encode_step(5, 12, (*removals, COUNTED))
    assert [
        (OutputTopic.RESERVATION_CHANGED, b"acme/B%2F2", "5-12-0"),
        (OutputTopic.RESERVATION_CHANGED, b"acme/A", "5-12-1"),
        (OutputTopic.STOCK_CHANGED, b"acme/main/2000017", "5-12-2"),
        (OutputTopic.DEAD_LETTER, b"acme/B%2F2", None),
    ] == [
        (one.topic, one.key, event_id.decode() if event_id else None)
        for one in records
        for event_id in (dict(one.headers).get("ce_id"),)
    ]
    assert [None, None] == [one.value for one in records[:2]]
    assert 12 == step_of(dict(records[0].headers))
    stub = json.loads(records[3].value or b"")["dead_letter_stub"]
    assert {
        "account": "acme",
        "order_id": "B/2",
        "facts": [{"topic": "payments", "partition": 1, "offset": 7}],
    } == stub


@settings(max_examples=300, deadline=None)
@given(EVENTS)
def test_reading_what_was_written_gives_the_same(event: PublishedEvent) -> None:
    """Kafka is the record of truth: what is not in the bytes is lost with Redis."""
    record = encode_event(event, "3-1207-14", 3)
    if isinstance(event, UnitsAcknowledged):
        event = UnitsAcknowledged(
            event.account,
            event.order_id,
            event.version,
            event.acknowledged_at_ms,
            event.invoice_id,
            event.lines,
            event.already_counted,
            None,
        )
    assert event == restored(record)
    again = encode_event(event, "3-1207-14", 3)
    assert (record.key, record.value) == (again.key, again.value)


@settings(max_examples=200, deadline=None)
@given(EVENTS)
def test_body_alone_restores_the_state(event: PublishedEvent) -> None:
    """A rebuild and the auditor read bodies; bridges may have dropped the headers."""
    record = encode_event(event, "0-1-0", 0)
    body = parse_output(record.topic, record.value or b"")
    match body, event:
        case ReservationChangedBody(), ReservationChanged():
            assert event.reservation == restore_reservation(body)
            assert event.reservation.status is body.status
        case StockChangedBody(), StockChanged():
            assert event.stock == restore_stock(body)
            assert event.stock.available == body.available
        case _:
            assert isinstance(event, UnitsAcknowledged)


def test_unknown_fields_of_a_newer_worker_are_ignored() -> None:
    """In a rolling upgrade the old release reads what the new one wrote."""
    newer = OUTPUT_EXAMPLES[OutputTopic.STOCK_CHANGED] | {"reserved_for": {"x": 1.5}}
    body = parse_output(OutputTopic.STOCK_CHANGED, json.dumps(newer).encode())
    assert isinstance(body, StockChangedBody)
    assert COUNTED.stock == restore_stock(body)


@settings(max_examples=200, deadline=None)
@given(INSTANTS_MS | st.just(-1))
def test_instant_is_written_so_that_it_is_read_the_same(instant_ms: int) -> None:
    """One text for each instant: always UTC, milliseconds only where there are any."""
    text = instant_text(instant_ms)
    assert instant_ms == parse_instant_ms(text)
    assert text.endswith("Z")
    assert ("." in text) is (instant_ms % 1000 != 0)
