"""What shops send that do not know this contract: one line of strangers.jsonl each.

A line is ``kind``, ``name``, ``topic``, ``value`` (text) or ``value_base64``, and what is expected:
a fact, or a code, a pointer, and words that the message must hold. ``headers`` are none, and
``record_timestamp`` is the moment of reading, unless the line says otherwise.
"""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from reservation_worker.contracts.inputs import FactKind
from reservation_worker.contracts.instants import parse_instant_ms
from reservation_worker.contracts.pointers import POINTER_BYTES_MAX
from reservation_worker.contracts.records import Record, Rejection, RejectionCode
from tests.contracts.reading import (
    BODIES,
    CANCELLATION,
    ORDER,
    READ_AT_MS,
    assert_rejected,
    decoder,
    json_record,
)

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "strangers.jsonl").read_text("utf-8").splitlines()
]
READ_THEN_MS = parse_instant_ms("2026-11-30T12:00:00Z")


def record_of(case: dict[str, Any]) -> Record:
    """Return what Kafka would give."""
    stamp = case.get("record_timestamp", READ_THEN_MS)
    encoded = case.get("value_base64")
    return Record(
        f"shop.{case['topic']}",
        *(3, 8812),
        stamp if isinstance(stamp, int) else parse_instant_ms(stamp),
        None,
        case["value"].encode() if encoded is None else base64.b64decode(encoded),
        tuple((name, value.encode()) for name, value in case.get("headers", {}).items()),
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['kind']}: {case['name']}")
def test_what_a_stranger_sends_is_read_or_said_to_be_wrong(case: dict[str, Any]) -> None:
    """Read where nothing can be misunderstood; else whoever looks sees what to change."""
    found = decoder(now_ms=READ_THEN_MS).decode(record_of(case))
    expected = case["expect"]
    if expected == "fact":
        assert not isinstance(found, Rejection), found
        return
    assert_rejected(RejectionCode(expected["code"]), expected["pointer"], found)
    assert isinstance(found, Rejection)
    assert [] == [words for words in expected["says"] if words not in found.message], found.message
    assert "\n" not in found.message


def test_the_words_of_every_line_are_its_own() -> None:
    """A name that comes twice would hide one of the two in a report."""
    names = [(case["kind"], case["name"]) for case in CASES]
    assert sorted(set(names)) == sorted(names)


def test_500_lines_with_long_names_full_of_slashes_are_read() -> None:
    """Nothing about them is wrong, however strange they look in keys and pointers."""
    lines = [
        {"line_id": str(number), "warehouse_id": "/" * 120, "sku": "%" * 125, "quantity": 1}
        for number in range(500)
    ]
    found = decoder().decode(json_record(FactKind.ORDER_COMPLETED, ORDER | {"lines": lines}))
    assert not isinstance(found, Rejection)


def test_a_default_account_hides_no_account_that_is_spelt_otherwise() -> None:
    """The event would be taken for the default account's."""
    body = dict(BODIES[FactKind.PAYMENT_APPROVED])
    body["Account"] = body.pop("account")
    found = decoder("somebody").decode(json_record(FactKind.PAYMENT_APPROVED, body))
    assert_rejected(RejectionCode.SCHEMA_INVALID, "/Account", found)


@pytest.mark.parametrize("kind", FactKind)
def test_every_name_is_recognised_in_other_spellings(kind: FactKind) -> None:
    """Of every field of every event, also where the field itself is there as well."""
    for name, value in BODIES[kind].items():
        for spelt in (name.title(), name.upper(), f"_{name}", f"{name}-", name.replace("_", "-")):
            if spelt != name:
                found = decoder().decode(json_record(kind, BODIES[kind] | {spelt: value}))
                assert_rejected(RejectionCode.SCHEMA_INVALID, f"/{spelt}", found)
                assert isinstance(found, Rejection)
                assert name in found.message


@pytest.mark.parametrize("kind", [FactKind.ORDER_CANCELED, FactKind.ORDER_INVOICED])
def test_a_list_as_deep_as_json_may_be_is_found(kind: FactKind) -> None:
    """Looking for it must not end the process, nor make a header that fits nowhere."""
    whole = {name: value for name, value in BODIES[kind].items() if name != "lines"}
    inner: Any
    for inner, is_found in ([], True), ({}, False), (["a"], False), ([{}], True):
        value = inner
        for _ in range(900):
            value = {"a": value}
        found = decoder().decode(json_record(kind, whole | {"x": value}))
        assert is_found is isinstance(found, Rejection)
        if isinstance(found, Rejection):
            pointer = found.pointer or ""
            assert pointer.startswith("/x/a/a/a")
            assert len(pointer.encode()) <= POINTER_BYTES_MAX


def test_a_pointer_is_short_whatever_the_sender_calls_its_fields() -> None:
    """It becomes a header of a dead letter: a megabyte there would fit no topic."""
    whole = {name: value for name, value in CANCELLATION.items() if name != "lines"}
    for name, pointer in (("x" * 10_000, ""), ("é" * 255, "/" + "é" * 255), ("é" * 256, "")):
        found = decoder().decode(json_record(FactKind.ORDER_CANCELED, whole | {name: []}))
        assert_rejected(RejectionCode.SCHEMA_INVALID, pointer, found)


def test_a_deadline_of_an_account_s_own_period_is_held_to_the_same_bound() -> None:
    """Whatever has decided, nothing is held longer."""
    completed_at = "2026-11-23T15:00:00Z"
    for due_date, is_good in (("2027-12-20", True), ("2027-12-30", False)):
        body = ORDER | {"completed_at": completed_at, "payment": {"due_date": due_date}}
        found = decoder().decode(json_record(FactKind.ORDER_COMPLETED, body))
        assert is_good is not isinstance(found, Rejection), due_date


def test_an_account_that_is_not_allowed_on_a_topic_is_refused_there_alone() -> None:
    """Who may write one topic may not speak for everybody."""
    topic = f"shop.{FactKind.PAYMENT_APPROVED.value}"
    reader = decoder("other", accounts_allowed={topic: frozenset({"acme", "gull"})})
    for account, is_good in (("acme", True), ("gull", True), ("Acme", False), (None, False)):
        for kind in (FactKind.PAYMENT_APPROVED, FactKind.ORDER_CANCELED):
            found = reader.decode(json_record(kind, BODIES[kind] | {"account": account}))
            if is_good or kind is FactKind.ORDER_CANCELED:
                assert not isinstance(found, Rejection)
            else:
                assert_rejected(RejectionCode.ACCOUNT_NOT_ALLOWED, "/account", found)


def test_now_counts_where_a_record_is_older_than_it() -> None:
    """A worker that reads late refuses nothing that was right when it was written."""
    late = decoder(now_ms=READ_AT_MS + 86_400_000)
    for kind, body in BODIES.items():
        assert not isinstance(late.decode(json_record(kind, body)), Rejection)
