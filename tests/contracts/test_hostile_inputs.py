"""No input can stop the worker: whatever the bytes, the answer is a fact or a rejection."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reservation_worker.contracts.decode import RECORD_BYTES_MAX
from reservation_worker.contracts.inputs import FactKind
from reservation_worker.contracts.records import Rejection, RejectionCode
from tests.contracts.hostile import (
    BROKEN_BOUNDS,
    BROKEN_IDS,
    BROKEN_TEXTS,
    ORDER_TEXT,
    STRANGE_IDS,
    WRONG_FIELDS,
    WRONG_TIMES,
    many_lines,
)
from tests.contracts.reading import (
    BALANCE,
    BODIES,
    ORDER,
    PAYMENT,
    assert_rejected,
    decoder,
    headers_of,
    json_record,
    record,
)

DECODE_FAILED = RejectionCode.DECODE_FAILED
SCHEMA_INVALID = RejectionCode.SCHEMA_INVALID
OUT_OF_BOUNDS = RejectionCode.OUT_OF_BOUNDS


@pytest.mark.parametrize("kind", FactKind)
@pytest.mark.parametrize("name", BROKEN_TEXTS)
def test_broken_text_is_decode_failed(name: str, kind: FactKind) -> None:
    """It cannot be known what was meant, so nothing is done, and the bytes are kept."""
    assert_rejected(DECODE_FAILED, None, decoder().decode(record(kind, BROKEN_TEXTS[name])))


@pytest.mark.parametrize("name", WRONG_FIELDS)
def test_missing_or_wrong_field_is_schema_invalid_and_pointed_at(name: str) -> None:
    """Whoever looks at the dead letter sees where to look, and nothing of what was in it."""
    kind, body, pointer = WRONG_FIELDS[name]
    assert_rejected(SCHEMA_INVALID, pointer, decoder().decode(json_record(kind, body)))


@pytest.mark.parametrize("time", WRONG_TIMES, ids=repr)
def test_only_rfc_3339_with_an_offset_is_a_time(time: object) -> None:
    """A time without an offset means another instant in each account's country."""
    assert_rejected(
        SCHEMA_INVALID,
        "/counted_at",
        decoder().decode(json_record(FactKind.INVENTORY_UPDATED, BALANCE | {"counted_at": time})),
    )


@pytest.mark.parametrize("name", BROKEN_BOUNDS)
def test_broken_bound_is_out_of_bounds_and_pointed_at(name: str) -> None:
    """Everything has a limit, and what is beyond it changes nothing."""
    kind, body, pointer = BROKEN_BOUNDS[name]
    assert_rejected(OUT_OF_BOUNDS, pointer, decoder().decode(json_record(kind, body)))


def test_integer_of_thousands_of_digits_is_out_of_bounds() -> None:
    """Reading one takes quadratic time: it is refused before that, in unknown fields as well."""
    value = ORDER_TEXT.replace("{", '{"x": ' + "9" * 5000 + ", ", 1).encode()
    assert_rejected(OUT_OF_BOUNDS, None, decoder().decode(record(FactKind.ORDER_COMPLETED, value)))


@pytest.mark.parametrize("field", ["account", "warehouse_id", "sku"])
@pytest.mark.parametrize("text", BROKEN_IDS, ids=ascii)
def test_id_that_is_empty_long_or_unprintable_is_out_of_bounds(text: str, field: str) -> None:
    """Ids become keys, headers and lines of logs."""
    assert_rejected(
        OUT_OF_BOUNDS,
        f"/{field}",
        decoder().decode(json_record(FactKind.INVENTORY_UPDATED, BALANCE | {field: text})),
    )


@pytest.mark.parametrize("text", STRANGE_IDS, ids=ascii)
def test_strange_id_within_the_bounds_is_taken_as_it_is(text: str) -> None:
    """Keys are built so that no id can reach another account: none need be forbidden."""
    body = PAYMENT | {"account": text, "order_id": text, "payment_id": text}
    fact = decoder().decode(json_record(FactKind.PAYMENT_APPROVED, body))
    assert not isinstance(fact, Rejection)
    assert text == fact.account


def test_500_lines_are_within_the_bounds() -> None:
    """The bound itself belongs to what is allowed."""
    body = ORDER | {"lines": many_lines(500)}
    fact = decoder().decode(json_record(FactKind.ORDER_COMPLETED, body))
    assert not isinstance(fact, Rejection)


@pytest.mark.parametrize("kind", FactKind)
def test_null_value_is_refused(kind: FactKind) -> None:
    """A tombstone on an input topic states nothing."""
    assert_rejected(
        RejectionCode.NULL_VALUE,
        None,
        decoder().decode(record(kind, None, headers_of(specversion="1.0"))),
    )


def test_record_above_its_limit_is_refused_unread() -> None:
    """Key, value and headers count together; at the limit a record is still read."""
    value = ORDER_TEXT.encode()
    fitting = record(
        FactKind.ORDER_COMPLETED,
        value + b" " * (RECORD_BYTES_MAX - len(value) - len(b"any key")),
    )
    assert not isinstance(decoder().decode(fitting), Rejection)
    for larger in (
        replace(fitting, value=(fitting.value or b"") + b" "),
        replace(fitting, key=b"any key!"),
        replace(fitting, headers=(("x", None),)),
    ):
        assert_rejected(RejectionCode.PAYLOAD_TOO_LARGE, None, decoder().decode(larger))


SECRET = "s3cr3t-canary"


@pytest.mark.parametrize("kind", FactKind)
def test_rejection_holds_no_part_of_the_payload(kind: FactKind) -> None:
    """Dead letters are read by many people; their headers must not carry what is personal."""
    for name in BODIES[kind]:
        for planted in (SECRET, [SECRET], {SECRET: SECRET}, SECRET + "\n", SECRET * 100):
            found = decoder().decode(json_record(kind, BODIES[kind] | {name: planted}))
            if isinstance(found, Rejection):
                assert SECRET not in repr(found)
    broken = f'{{"{SECRET}": 1, "{SECRET}": {SECRET}'.encode()
    assert SECRET not in repr(decoder().decode(record(kind, broken)))


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=20),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children),
    max_leaves=8,
)
KINDS = st.sampled_from(FactKind)
WRAPPERS: tuple[Callable[[Any], Any], ...] = (
    lambda body: {"schema": body, "payload": body},
    lambda body: {"op": "c", "after": body},
    lambda body: {"x": body},
    lambda body: body | {"Lines": body, "payment": body},
    lambda body: body | {"lines": [body, body]},
    lambda body: body | {"x": [[body], [[]]]},
    lambda body: [body],
    json.dumps,
)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            ["ce_specversion", "ce_type", "ce_id", "CE_ID", "content-type", "traceparent", "x"]
        )
        | st.text(max_size=8),
        st.none()
        | st.binary(max_size=20)
        | st.sampled_from([b"1.0", b"order.completed.v1", b"application/cloudevents+json"]),
    ),
    max_size=5,
).map(tuple)


@settings(max_examples=300, deadline=None)
@given(KINDS, st.binary(max_size=200), HEADERS)
def test_no_bytes_raise(
    kind: FactKind, value: bytes, headers: tuple[tuple[str, bytes | None], ...]
) -> None:
    """An exception out of the decoder would stop the partition for ever."""
    found = decoder().decode(record(kind, value, headers))
    assert isinstance(found, Rejection)


@settings(max_examples=400, deadline=None)
@given(KINDS, st.data(), HEADERS)
def test_no_json_raises(
    kind: FactKind, data: st.DataObject, headers: tuple[tuple[str, bytes | None], ...]
) -> None:
    """Any value in any place: read or refused, with a pointer to a field of the contract."""
    changes = data.draw(
        st.dictionaries(
            st.sampled_from(sorted(BODIES[kind])) | st.text(max_size=4), JSON_VALUES, max_size=3
        )
    )
    whole = {name: value for name, value in BODIES[kind].items() if name != "lines"}
    body: Any = data.draw(st.sampled_from([BODIES[kind] | changes, whole | changes, changes]))
    if data.draw(st.booleans()):
        body = data.draw(st.sampled_from(WRAPPERS))(body)
    if data.draw(st.booleans()):
        body = {"specversion": "1.0", "type": kind.event_type, "id": "1", "data": body} | changes
    found = decoder("acme").decode(json_record(kind, body, headers))
    if isinstance(found, Rejection):
        assert found.message.endswith(".")
        assert found.message.isascii()


@settings(max_examples=300, deadline=None)
@given(KINDS, st.integers(0, 400), st.binary(min_size=1, max_size=3))
def test_no_damage_to_a_good_record_raises(kind: FactKind, place: int, damage: bytes) -> None:
    """Bits flip and writers truncate: the neighborhood of good records is the likeliest damage."""
    value = json.dumps(BODIES[kind]).encode()
    decoder().decode(record(kind, value[:place] + damage + value[place + len(damage) :]))
    decoder().decode(record(kind, value[:place]))
