"""No input can stop the worker, and nobody's order suffers from another one's poison."""

import json
from collections.abc import Mapping
from hashlib import sha256

from reservation_worker.contracts.records import Record
from tests.contracts.hostile import BROKEN_IDS, BROKEN_TEXTS, STRANGE_IDS
from tests.integration import shop
from tests.integration.shop import bare
from tests.integration.stage import RECORD_BYTES_MAX, Stage
from tests.integration.topics import DEAD_LETTER, Message

KEY = b"\xff\x00 any key"
HEADERS = (("x-shop", b"\xfe\x00"), ("x-shop", None), ("ümlaut", "ü".encode()))
CODE = "reservation.dlq.code"
REASON_HEADERS = {
    "__dlq.errors.topic",
    "__dlq.errors.partition",
    "__dlq.errors.offset",
    "__dlq.errors.group",
    "__dlq.errors.message",
    CODE,
    "reservation.dlq.fingerprint",
    "reservation.dlq.failed-at",
}
POINTER = "reservation.dlq.pointer"
LINE = {"line_id": "1", "warehouse_id": "main", "sku": "cup", "quantity": 1}


def events(**attributes: str) -> tuple[tuple[str, bytes], ...]:
    """Return the headers of a CloudEvent that says so of itself."""
    usual = {"specversion": "1.0", "id": "1", "source": "/shop"}
    return tuple((f"ce_{name}", text.encode()) for name, text in (usual | attributes).items())


def poison(account: str, now_ms: int) -> list[tuple[Message, str]]:
    """Return records that state nothing, each with the code that it must be given."""
    order = {"account": account, "order_id": "poison", "completed_at": shop.instant(now_ms)}
    whole = {**order, "lines": [LINE]}
    value = json.dumps(whole).encode()
    topic = "order-completed"
    broken = [
        (Message(topic, text), "DECODE_FAILED")
        for text in BROKEN_TEXTS.values()
        if len(text) < RECORD_BYTES_MAX
    ]
    ids = [(bare(topic, **{**whole, "order_id": one}), "OUT_OF_BOUNDS") for one in BROKEN_IDS]
    return [
        *broken,
        *ids,
        (Message(topic, None), "NULL_VALUE"),
        (Message("payment-approved", b"[]"), "SCHEMA_INVALID"),
        (bare(topic, **order), "SCHEMA_INVALID"),
        (bare(topic, **order, lines=[]), "SCHEMA_INVALID"),
        (bare(topic, **order, lines=[LINE, LINE]), "SCHEMA_INVALID"),
        (bare(topic, **order, lines=[LINE | {"quantity": 1.5}]), "SCHEMA_INVALID"),
        (bare(topic, **order, lines=[LINE | {"quantity": 10**30}]), "OUT_OF_BOUNDS"),
        (bare(topic, **order, lines=[LINE | {"quantity": 0}]), "OUT_OF_BOUNDS"),
        (bare(topic, **order, lines=_many_lines(501)), "OUT_OF_BOUNDS"),
        (
            bare(topic, **{**whole, "completed_at": shop.instant(now_ms + 86_400_000)}),
            "CLOCK_SKEW",
        ),
        (Message(topic, value, None, events(type="order.completed.v2")), "UNSUPPORTED_VERSION"),
        (Message(topic, value, None, events(type="payment.approved.v1")), "UNSUPPORTED_TYPE"),
        (Message(topic, value, None, events(type="\u202e{s1}:")), "UNSUPPORTED_TYPE"),
        (Message(topic, b"x" * (RECORD_BYTES_MAX + 1)), "PAYLOAD_TOO_LARGE"),
    ]


def _many_lines(total: int) -> list[dict[str, object]]:
    return [LINE | {"line_id": str(number)} for number in range(total)]


def _dead_letters(stage: Stage) -> list[Record]:
    name = stage.topics.name(DEAD_LETTER)
    return [record for record in stage.watch().read_to_the_end() if record.topic == name]


def _coordinates_of(letter: Record) -> tuple[str, str, str]:
    reason = reason_of(letter)
    names = ("__dlq.errors.topic", "__dlq.errors.partition", "__dlq.errors.offset")
    topic, partition, offset = (reason[name] for name in names)
    return topic, partition, offset


def reason_of(letter: Record) -> Mapping[str, str]:
    """Return the headers that a dead letter has and its record had not."""
    reasons = [(name, value or b"") for name, value in letter.headers[-10:]]
    return {name: value.decode() for name, value in reasons if "dlq" in name}


def test_poison_ends_in_dead_letters_and_good_records_around_it_go_through(stage: Stage) -> None:
    """Byte for byte, so that whoever mends it has all there was; the good ones do not wait."""
    now_ms = stage.clock.now_ms()
    accounts = (*stage.accounts(), *STRANGE_IDS)
    worker = stage.open_shop(accounts=accounts)
    unusable = [
        (Message(one.topic, one.value, KEY, (*HEADERS, *one.headers)), code)
        for one, code in poison(stage.accounts()[0], now_ms)
    ]
    good = [
        bare(
            "order-completed",
            account=account,
            order_id=order_id,
            completed_at=shop.instant(now_ms),
            lines=[LINE],
        )
        for account in accounts
        for order_id in STRANGE_IDS
    ]
    gap = len(good) // len(unusable) + 1
    mixed = [
        message
        for number, (one, _code) in enumerate(unusable)
        for message in (one, *good[number * gap : (number + 1) * gap])
    ]
    places = dict(zip(map(id, mixed), stage.send(mixed), strict=True))
    stage.wait_until_settled()

    letters = {_coordinates_of(one): one for one in _dead_letters(stage)}
    assert len(unusable) == len(letters)
    for message, code in unusable:
        partition, offset = places[id(message)]
        topic = stage.topics.name(message.topic)
        letter = letters[topic, str(partition), str(offset)]
        assert (message.key, message.value) == (letter.key, letter.value)
        assert message.headers == letter.headers[: len(message.headers)]
        reason = reason_of(letter)
        assert code == reason[CODE], (message.value or b"")[:80]
        assert REASON_HEADERS == reason.keys() - {POINTER}
        assert stage.group_id == reason["__dlq.errors.group"]
        fingerprint = sha256(f"{code}|{reason.get(POINTER, '')}|{topic}".encode())
        assert fingerprint.hexdigest()[:12] == reason["reservation.dlq.fingerprint"]
    held = {
        (body["account"], body["order_id"])
        for body in stage.bodies("reservation-changed")
        if body["status"] == "Authorized"
    }
    assert {(account, order_id) for account in accounts for order_id in STRANGE_IDS} == held
    stage.assert_nothing_violated()
    assert 0 == worker.drain()


def test_dead_letter_that_does_not_fit_is_replaced_by_a_stub(stage: Stage) -> None:
    """The reason needs room beside the largest record that a topic takes."""
    huge = b"x" * 1_040_000
    [(partition, offset)] = stage.send([Message("order-completed", huge, KEY)])
    worker = stage.start()
    stage.wait_until_settled()
    [letter] = _dead_letters(stage)
    stub = {
        "topic": stage.topics.name("order-completed"),
        "partition": partition,
        "offset": offset,
        "value_bytes": len(huge),
        "sha256": sha256(huge).hexdigest(),
    }
    assert {"dead_letter_stub": stub} == json.loads(letter.value or b"")
    assert "PAYLOAD_TOO_LARGE" == reason_of(letter)[CODE]
    assert 0 == worker.drain()


def test_two_accounts_never_share_a_key(stage: Stage) -> None:
    """Whatever its ids look like, an account sees and moves its own stock only."""
    now_ms = stage.clock.now_ms()
    pairs = (("a", "b/c"), ("a/b", "c"), ("a%2Fb", "c"), ("{s0}", "x"), ("{s1}:meta", "x"))
    accounts = [account for account, _order_id in pairs]
    worker = stage.open_shop(accounts=accounts)
    stage.send(
        bare(
            "order-completed",
            account=account,
            order_id=order_id,
            completed_at=shop.instant(now_ms),
            lines=[LINE],
        )
        for account, order_id in pairs
    )
    stage.wait_until_settled()
    bodies = stage.bodies("reservation-changed")
    assert len(pairs) == len(bodies)
    assert {"Authorized"} == {body["status"] for body in bodies}
    name = stage.topics.name("reservation-changed")
    keys = {one.key for one in stage.watch().records if one.topic == name}
    assert {b"a/b%2Fc", b"a%2Fb/c", b"a%252Fb/c", b"{s0}/x", b"{s1}:meta/x"} == keys
    stage.assert_nothing_violated()
    assert 0 == worker.drain()
