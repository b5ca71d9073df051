"""A dead letter is its input, byte for byte, and says what was wrong with it."""

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from reservation_worker.contracts.dead_letters import DeadLetterLimits, dead_letter, fingerprint
from reservation_worker.contracts.records import Record, Rejection, RejectionCode, rejection_of
from reservation_worker.domain.outcome import OutcomeKind
from reservation_worker.telemetry.labels import DEAD_LETTER_CODES

RECORD = Record(
    "order-completed",
    3,
    8812,
    0,
    b"\xff key",
    b"\x00\xff not json",
    (("x", b"\xfe"), ("x", None), ("reservation.dlq.code", b"an earlier one")),
)
REJECTION = Rejection(
    RejectionCode.SCHEMA_INVALID, "/lines/1/quantity", "The field must be an integer."
)
LIMITS = DeadLetterLimits("reservation-worker", 1024 * 1024)
FAILED_AT_MS = 1_795_446_250_000


def test_key_value_and_headers_are_copied_byte_for_byte() -> None:
    """A replay must be able to send what was received."""
    letter = dead_letter(RECORD, REJECTION, LIMITS, FAILED_AT_MS)
    count = len(RECORD.headers)
    original = ("reservation.dlq.original.reservation.dlq.code", b"an earlier one")
    expected = (RECORD.key, RECORD.value, (*RECORD.headers[:2], original))
    assert expected == (letter.key, letter.value, letter.headers[:count])


@pytest.mark.parametrize("name", ["__dlq.errors.topic", "reservation.dlq.id", "__DLQ.errors.x"])
def test_a_sender_cannot_say_where_a_letter_came_from(name: str) -> None:
    """Its own header of such a name is kept, under another one, however often it is replayed."""
    forged = replace(RECORD, headers=((name, b"forged"),))
    letter = dead_letter(forged, REJECTION, LIMITS, FAILED_AT_MS)
    assert (f"reservation.dlq.original.{name}", b"forged") == letter.headers[0]
    assert b"forged" not in dict(letter.headers[1:]).values()
    names = [one for one, _ in letter.headers]
    assert len(set(names)) == len(names)
    again = dead_letter(replace(RECORD, headers=letter.headers), REJECTION, LIMITS, FAILED_AT_MS)
    twice = "reservation.dlq.original." * 2
    assert (twice + name, b"forged") == again.headers[0]
    own = again.headers[len(letter.headers) :]
    assert {one for one, _ in own} == set(names[1:])


def test_the_letters_of_one_record_have_one_id_and_no_other_letter_has_it() -> None:
    """Whoever reads letters again, after offsets were set back, can leave out the repeats."""
    letters = [
        dead_letter(record, rejection, LIMITS, failed_at_ms)
        for record, rejection, failed_at_ms in (
            (RECORD, REJECTION, FAILED_AT_MS),
            (RECORD, replace(REJECTION, pointer=None), FAILED_AT_MS + 1),
            (replace(RECORD, offset=8813), REJECTION, FAILED_AT_MS),
            (replace(RECORD, partition=4), REJECTION, FAILED_AT_MS),
            (replace(RECORD, topic="order-invoiced"), REJECTION, FAILED_AT_MS),
            (replace(RECORD, value=b"in a topic created anew"), REJECTION, FAILED_AT_MS),
        )
    ]
    first, same, *others = [dict(letter.headers)["reservation.dlq.id"] for letter in letters]
    digest = hashlib.sha256(RECORD.value or b"").hexdigest()[:12]
    assert f"order-completed/3/8812/{digest}".encode() == first == same
    assert 4 == len({*others} - {first})


def test_appended_headers_say_where_and_why() -> None:
    """Names as in Kafka's own dead letter queues; numbers in decimal."""
    letter = dead_letter(RECORD, REJECTION, LIMITS, FAILED_AT_MS)
    grouped = hashlib.sha256(b"SCHEMA_INVALID|/lines/1/quantity|order-completed").hexdigest()[:12]
    digest = hashlib.sha256(RECORD.value or b"").hexdigest()[:12]
    expected = {
        "reservation.dlq.id": f"order-completed/3/8812/{digest}".encode(),
        "__dlq.errors.topic": b"order-completed",
        "__dlq.errors.partition": b"3",
        "__dlq.errors.offset": b"8812",
        "__dlq.errors.group": b"reservation-worker",
        "__dlq.errors.message": b"The field must be an integer.",
        "reservation.dlq.code": b"SCHEMA_INVALID",
        "reservation.dlq.pointer": b"/lines/1/quantity",
        "reservation.dlq.fingerprint": grouped.encode(),
        "reservation.dlq.failed-at": b"2026-11-23T15:04:10Z",
    }
    assert expected == dict(letter.headers[len(RECORD.headers) :])


def test_pointer_is_left_out_where_no_field_is_at_fault() -> None:
    """An empty pointer would name the whole document."""
    rejection = replace(REJECTION, pointer=None)
    letter = dead_letter(RECORD, rejection, LIMITS, FAILED_AT_MS)
    assert "reservation.dlq.pointer" not in dict(letter.headers)


def test_fingerprint_groups_by_fault_and_topic() -> None:
    """The same mistake of a producer is one group; another field or topic is another."""
    fingerprints = {
        fingerprint(REJECTION, "order-completed"),
        fingerprint(replace(REJECTION, message="In other words."), "order-completed"),
        fingerprint(replace(REJECTION, pointer=None), "order-completed"),
        fingerprint(REJECTION, "order-invoiced"),
    }
    assert len(fingerprints) == 3
    assert all(len(digits) == 12 for digits in fingerprints)


def test_null_key_and_value_stay_null() -> None:
    """An empty value is not the same record."""
    empty = Record("order-completed", 0, 0, 0, None, None, ())
    letter = dead_letter(empty, REJECTION, LIMITS, FAILED_AT_MS)
    assert letter.key is None
    assert letter.value is None


def test_record_too_large_to_produce_becomes_a_stub() -> None:
    """One giant record must not stop the partition; its coordinates and digest lead back to it."""
    value = b"x" * LIMITS.record_bytes_max
    giant = replace(RECORD, value=value, headers=(("h", b"y" * 1000),))
    letter = dead_letter(giant, REJECTION, LIMITS, FAILED_AT_MS)
    expected = {
        "dead_letter_stub": {
            "topic": "order-completed",
            "partition": 3,
            "offset": 8812,
            "value_bytes": len(value),
            "sha256": hashlib.sha256(value).hexdigest(),
        }
    }
    assert expected == json.loads(letter.value or b"")
    assert giant.key == letter.key
    assert dict(letter.headers)["reservation.dlq.code"] == b"SCHEMA_INVALID"
    assert "h" not in dict(letter.headers)


def test_giant_key_or_headers_do_not_reach_the_stub() -> None:
    """The stub itself must always fit."""
    for giant in (
        replace(RECORD, key=b"k" * LIMITS.record_bytes_max),
        replace(RECORD, headers=tuple((f"h{number}", b"") for number in range(100_000))),
    ):
        letter = dead_letter(giant, REJECTION, LIMITS, FAILED_AT_MS)
        size = len(letter.key or b"") + len(letter.value or b"")
        assert size + sum(len(name) + len(value or b"") for name, value in letter.headers) < 4096


def test_only_two_outcomes_are_dead_lettered() -> None:
    """A business refusal or a conflict is an answer, not a dead letter."""
    expected = {
        OutcomeKind.BALANCE_DIFFERS: RejectionCode.BALANCE_DIFFERS,
        OutcomeKind.OUT_OF_BOUNDS: RejectionCode.OUT_OF_BOUNDS,
    }
    found = {kind: rejection_of(kind) for kind in OutcomeKind}
    assert expected == {kind: found[kind].code for kind in found if found[kind] is not None}  # type: ignore[union-attr]


def test_every_code_is_a_label_of_the_metric() -> None:
    """A series that is not there at 0 cannot be seen to rise from 0 to 1."""
    assert [code.value for code in RejectionCode] == list(DEAD_LETTER_CODES)


def test_the_page_names_every_code_and_every_header() -> None:
    """Whoever finds a letter looks there."""
    page = (Path(__file__).parents[2] / "docs" / "inputs.md").read_text("utf-8")
    rows = "\n".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))
    assert {code.value for code in RejectionCode} == set(re.findall(r"`([A-Z_]+)`", rows))
    own = dead_letter(replace(RECORD, headers=()), REJECTION, LIMITS, FAILED_AT_MS).headers
    assert [] == [name for name, _ in own if name.rpartition(".errors")[2] not in rows]
