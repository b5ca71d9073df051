"""The three encodings say the same, and the attributes of an event are held to the contract."""

import base64
import json

import pytest

from reservation_worker.contracts.inputs import FactKind
from reservation_worker.contracts.records import Headers, Rejection, RejectionCode
from reservation_worker.domain.facts import InputFact, PaymentApproved
from tests.contracts.reading import (
    BODIES,
    ORDER,
    PAYMENT,
    assert_rejected,
    decoder,
    headers_of,
    json_record,
    record,
)

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
STRUCTURED: Headers = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)
ENVELOPE = {"specversion": "1.0", "id": "e-1", "source": "/shop", "type": "payment.approved.v1"}
PAYMENT_HEADERS = {"specversion": "1.0", "id": "e-1", "source": "/shop"}


def paid(found: InputFact | Rejection) -> PaymentApproved:
    """Return what was decoded, which must be a payment."""
    assert isinstance(found, PaymentApproved), found
    return found


@pytest.mark.parametrize("kind", FactKind)
def test_three_encodings_state_the_same_fact(kind: FactKind) -> None:
    """Producers differ; what they say does not."""
    bare = decoder().decode(json_record(kind, BODIES[kind]))
    binary = decoder().decode(
        json_record(kind, BODIES[kind], headers_of(specversion="1.0", type=kind.event_type))
    )
    structured = decoder().decode(
        json_record(
            kind,
            {"specversion": "1.0", "type": kind.event_type, "data": BODIES[kind]},
            STRUCTURED,
        )
    )
    assert not isinstance(bare, Rejection)
    assert bare == binary == structured


def test_event_id_and_trace_are_carried_over_from_each_encoding() -> None:
    """Whoever follows an order through several systems needs both."""
    trace: Headers = (("traceparent", TRACEPARENT.encode()),)
    binary = headers_of(type="payment.approved.v1", **PAYMENT_HEADERS)
    traced_binary = headers_of(
        type="payment.approved.v1", traceparent=TRACEPARENT, **PAYMENT_HEADERS
    )
    envelope = ENVELOPE | {"data": PAYMENT}
    found = [
        decoder().decode(json_record(FactKind.PAYMENT_APPROVED, body, headers))
        for body, headers in (
            (PAYMENT, trace),
            (PAYMENT, binary + trace),
            (PAYMENT, traced_binary),
            (envelope, STRUCTURED + trace),
            (envelope | {"traceparent": TRACEPARENT}, STRUCTURED),
        )
    ]
    expected = [(None, TRACEPARENT)] + [("e-1", TRACEPARENT)] * 4
    assert expected == [(paid(fact).cause.event_id, paid(fact).cause.traceparent) for fact in found]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"00-zz-zz-01",
        TRACEPARENT.upper().encode(),
        b"ff" + TRACEPARENT[2:].encode(),
        TRACEPARENT.encode() + b"\n",
        None,
    ],
    ids=["empty", "broken", "upper case", "version ff", "line break", "null"],
)
def test_broken_trace_is_dropped_and_the_fact_kept(value: bytes | None) -> None:
    """A trace is a convenience: no order is lost for it, and no header is forged with it."""
    headers: Headers = (("traceparent", value),)
    found = decoder().decode(json_record(FactKind.PAYMENT_APPROVED, PAYMENT, headers))
    assert paid(found).cause.traceparent is None


def test_header_that_is_not_utf_8_is_decode_failed() -> None:
    """It is copied to the dead letter byte for byte, but it cannot be read."""
    headers: Headers = (*headers_of(type="payment.approved.v1"), ("ce_id", b"\xff"))
    found = decoder().decode(json_record(FactKind.PAYMENT_APPROVED, PAYMENT, headers))
    assert_rejected(RejectionCode.DECODE_FAILED, None, found)


def test_foreign_headers_are_not_read() -> None:
    """Brokers, bridges and agents add their own, in any bytes."""
    headers: Headers = (("x-agent", b"\xff\xfe"), ("baggage", None), ("content-type", b"text/json"))
    paid(decoder().decode(json_record(FactKind.PAYMENT_APPROVED, PAYMENT, headers)))


@pytest.mark.parametrize("event_type", ["order.completed.v1", "order.completed.v1.4"])
def test_type_of_its_own_topic_is_read(event_type: str) -> None:
    """A minor version adds fields, and unknown fields are ignored."""
    headers = headers_of(specversion="1.0", type=event_type)
    found = decoder().decode(json_record(FactKind.ORDER_COMPLETED, ORDER, headers))
    assert not isinstance(found, Rejection)


def test_alias_of_a_type_is_read_on_its_topic_only() -> None:
    """A shop's older names stay usable; they do not become wildcards."""
    headers = headers_of(specversion="1.0", type="com.shop.order-placed")
    found = decoder().decode(json_record(FactKind.ORDER_COMPLETED, ORDER, headers))
    assert not isinstance(found, Rejection)
    elsewhere = decoder().decode(json_record(FactKind.PAYMENT_APPROVED, PAYMENT, headers))
    assert_rejected(RejectionCode.UNSUPPORTED_TYPE, None, elsewhere)


@pytest.mark.parametrize(
    ("event_type", "code"),
    [
        ("order.completed.v1", RejectionCode.UNSUPPORTED_TYPE),
        ("order.completed.v2", RejectionCode.UNSUPPORTED_TYPE),
        ("payment.approved", RejectionCode.UNSUPPORTED_TYPE),
        ("payment.refused.v1", RejectionCode.UNSUPPORTED_TYPE),
        ("", RejectionCode.UNSUPPORTED_TYPE),
        (".v1", RejectionCode.UNSUPPORTED_TYPE),
        ("payment.approved.v" + "1" * 10_000, RejectionCode.UNSUPPORTED_TYPE),
        ("payment.approved.v2", RejectionCode.UNSUPPORTED_VERSION),
        ("payment.approved.v0", RejectionCode.UNSUPPORTED_VERSION),
        ("payment.approved.v10.1", RejectionCode.UNSUPPORTED_VERSION),
    ],
    ids=lambda value: str(value)[:24],
)
def test_type_that_does_not_belong_here_is_refused(event_type: str, code: RejectionCode) -> None:
    """A record on the wrong topic, or from a future that is not understood, must not be guessed."""
    binary = headers_of(type=event_type, **PAYMENT_HEADERS)
    found = decoder().decode(json_record(FactKind.PAYMENT_APPROVED, PAYMENT, binary))
    assert_rejected(code, None, found)
    envelope = ENVELOPE | {"type": event_type, "data": PAYMENT}
    found = decoder().decode(json_record(FactKind.PAYMENT_APPROVED, envelope, STRUCTURED))
    assert_rejected(code, "/type", found)


@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"specversion": "0.3"}, RejectionCode.UNSUPPORTED_VERSION, "/specversion"),
        ({"specversion": "2.0"}, RejectionCode.UNSUPPORTED_VERSION, "/specversion"),
        ({"specversion": "one"}, RejectionCode.SCHEMA_INVALID, "/specversion"),
        ({"specversion": 1.0}, RejectionCode.SCHEMA_INVALID, "/specversion"),
        ({"specversion": None}, RejectionCode.SCHEMA_INVALID, "/specversion"),
        ({"type": None}, RejectionCode.SCHEMA_INVALID, "/type"),
        ({"id": 7}, RejectionCode.SCHEMA_INVALID, "/id"),
        ({"id": "e" * 129}, RejectionCode.OUT_OF_BOUNDS, "/id"),
        ({"id": "e\r\nce_type: x"}, RejectionCode.OUT_OF_BOUNDS, "/id"),
        ({"data": None}, RejectionCode.SCHEMA_INVALID, "/data"),
        ({"data": json.dumps(PAYMENT)}, RejectionCode.SCHEMA_INVALID, "/data"),
        ({"data": {"account": "acme"}}, RejectionCode.SCHEMA_INVALID, "/data/order_id"),
        (
            {"data": PAYMENT | {"order_id": ""}},
            RejectionCode.OUT_OF_BOUNDS,
            "/data/order_id",
        ),
        (
            {"data": PAYMENT | {"approved_at": "2099-01-01T00:00:00Z"}},
            RejectionCode.CLOCK_SKEW,
            "/data/approved_at",
        ),
    ],
    ids=lambda value: repr(value)[-40:] if isinstance(value, dict) else "",
)
def test_envelope_is_held_to_the_contract(
    changes: dict[str, object], code: RejectionCode, pointer: str
) -> None:
    """The pointer leads through the envelope to the bad field."""
    envelope = ENVELOPE | {"data": PAYMENT} | changes
    found = decoder().decode(json_record(FactKind.PAYMENT_APPROVED, envelope, STRUCTURED))
    assert_rejected(code, pointer, found)


def test_envelope_without_data_is_schema_invalid() -> None:
    """An event without data states nothing."""
    found = decoder().decode(json_record(FactKind.PAYMENT_APPROVED, ENVELOPE, STRUCTURED))
    assert_rejected(RejectionCode.SCHEMA_INVALID, "/data", found)


def test_envelope_may_carry_its_data_in_base64() -> None:
    """Some libraries do so for any data that they were given as bytes."""
    data = base64.b64encode(json.dumps(PAYMENT).encode()).decode()
    for text, is_good in ((data, True), (data[:-5], False), ("é", False), (7, False)):
        envelope = ENVELOPE | {"data_base64": text}
        found = decoder().decode(json_record(FactKind.PAYMENT_APPROVED, envelope, STRUCTURED))
        assert is_good is not isinstance(found, Rejection)


def test_only_the_json_format_is_understood() -> None:
    """A batch, or an Avro event, is said to be what it is."""
    for content_type in (b"application/cloudevents-batch+json", b"application/cloudevents+avro"):
        headers: Headers = (("content-type", content_type),)
        found = decoder().decode(json_record(FactKind.PAYMENT_APPROVED, [], headers))
        assert_rejected(RejectionCode.DECODE_FAILED, None, found)


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"type": "payment.approved.v1"}, RejectionCode.SCHEMA_INVALID),
        ({"specversion": "1.0"}, RejectionCode.SCHEMA_INVALID),
        ({"id": "e-1"}, RejectionCode.SCHEMA_INVALID),
        (
            {"specversion": "0.2", "type": "payment.approved.v1"},
            RejectionCode.UNSUPPORTED_VERSION,
        ),
        (
            {"specversion": "1.0", "type": "payment.approved.v1", "id": ""},
            RejectionCode.OUT_OF_BOUNDS,
        ),
    ],
    ids=["no specversion", "no type", "neither", "old", "empty id"],
)
def test_binary_mode_needs_its_attributes(attributes: dict[str, str], code: RejectionCode) -> None:
    """Half an envelope is a producer's mistake; the topic alone must not paper over it."""
    headers = headers_of(**attributes)
    found = decoder().decode(json_record(FactKind.PAYMENT_APPROVED, PAYMENT, headers))
    assert_rejected(code, None, found)


@pytest.mark.parametrize("headers", [(), STRUCTURED], ids=["bare", "structured"])
def test_schema_registry_prefix_is_skipped(headers: Headers) -> None:
    """Confluent's serializers put five bytes before the JSON text."""
    body = ENVELOPE | {"data": PAYMENT} if headers else PAYMENT
    value = b"\x00\x00\x01\x86\xa0" + json.dumps(body).encode()
    paid(decoder().decode(record(FactKind.PAYMENT_APPROVED, value, headers)))
