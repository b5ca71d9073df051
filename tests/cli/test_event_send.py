"""What `event send` makes of files as people have them, before it looks for Kafka.

Through the real command, without any server: what it takes ends with 4 there, what it refuses with
2; and, because a process takes its time to start, through its reading alone for the many cases.
"""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from reservation_worker.cli.failures import UsageFailed
from reservation_worker.cli.given_events import (
    GivenEvent,
    build_judge,
    check_events,
    headers_of,
    read_events,
)
from reservation_worker.contracts.inputs import FactKind
from reservation_worker.settings.loading import load_settings
from tests.cli.command import CommandLine, Ended

TAKEN, REFUSED = 4, 2
PAYMENT = {"account": "acme", "order_id": "o-1", "approved_at": "2026-11-30T11:59:00Z"}
GOOD = json.dumps(PAYMENT).encode()
PRETTY = json.dumps(PAYMENT, indent=2).encode()
MARK = b"\xef\xbb\xbf"
DOUBLED = GOOD[:-1] + b', "order_id": "o-2"}'
HALF_AN_EMOJI = GOOD[:-1] + rb', "note": "\ud83e"}'
CAMEL = json.dumps(PAYMENT | {"paymentId": "p-1"}).encode()
STRUCTURED = json.dumps(
    {"specversion": "1.0", "type": "payment.approved.v1", "source": "/", "id": "1", "data": PAYMENT}
).encode()
ONE_ACCOUNT = {"input": {"accounts_allowed": {"order-canceled": ["gull"]}}}


@pytest.fixture(scope="module")
def closed_port() -> Iterator[int]:
    """Give a port on which nobody listens."""
    with socket.socket() as claim:
        claim.bind(("127.0.0.1", 0))
        yield claim.getsockname()[1]


def written(tmp_path: Path, content: bytes) -> Path:
    """Return a file with this content."""
    file = tmp_path / "events.json"
    file.write_bytes(content)
    return file


def checked(
    tmp_path: Path, content: bytes, kind: FactKind = FactKind.PAYMENT_APPROVED
) -> list[GivenEvent]:
    """Read a file and hold what is in it against the contract, as the command does."""
    events = read_events(written(tmp_path, content))
    check_events(events, build_judge(load_settings(None, ONE_ACCOUNT), kind))
    return events


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (HALF_AN_EMOJI, ("Line 1: ", "DECODE_FAILED", "surrogate")),
        (GOOD[:-1] + b', "note": "\xf0\x9f"}', ("Line 1: ", "DECODE_FAILED", "UTF-8")),
        (GOOD + b"\n" + DOUBLED, ("Line 2: ", "DECODE_FAILED", "duplicate key")),
        (b"\n\n" + GOOD + b"\n\n" + CAMEL, ("Line 5: ", "/paymentId", "payment_id")),
        (
            json.dumps(PAYMENT | {"approved_at": "2026-11-30"}, indent=2).encode(),
            ("Lines 1 to 5: ", "/approved_at"),
        ),
        (b'{\n"order_id": "o-1",\n"order_id": "o-2"}', ("Lines 1 to 3: ", "duplicate key")),
        (json.dumps([PAYMENT], indent=2).encode(), ("Lines 1 to 7: ", "array")),
        (GOOD + b"\nnot json\n", ("Line 2: ", "DECODE_FAILED")),
        (GOOD.decode().encode("utf-16"), ("Line 1: ", "UTF-16")),
        (b"[1]", ("Line 1: ", "array")),
        (b'{"a\\nb\\u001b[31m": [], "x": 1}', ("Line 1: ", "/account")),
        (json.dumps(PAYMENT | {"approved_at": "2199-01-01T00:00Z"}).encode(), ("CLOCK_SKEW",)),
        (STRUCTURED.replace(b"payment.", b"order."), ("UNSUPPORTED_TYPE", "payment.approved.v1")),
        (b" \n\t\r\n", ("There is no event",)),
        (b"", ("There is no event",)),
        (b"\xef\xbb\xbf\n", ("There is no event",)),
        (b"\x00" * 100, ("Line 1: ", "DECODE_FAILED")),
        (b"[" * 100_000, ("Line 1: ", "DECODE_FAILED")),
    ],
    ids=range(18),
)
def test_what_a_worker_would_refuse_is_named_by_its_line(
    content: bytes, says: tuple[str, ...], tmp_path: Path
) -> None:
    """One line says where and why: an editor goes there, and nobody reads a traceback."""
    with pytest.raises(UsageFailed) as caught:
        checked(tmp_path, content)
    sentence = str(caught.value)
    assert 1 == len(sentence.splitlines())
    assert [] == [words for words in says if words not in sentence], sentence


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (GOOD, [GOOD]),
        (GOOD + b"\n", [GOOD]),
        (MARK + GOOD, [MARK + GOOD]),
        (MARK + GOOD + b"\r\n\r\n" + GOOD + b"\r\n", [MARK + GOOD, GOOD]),
        (PRETTY + b"\n", [PRETTY]),
        (MARK + PRETTY, [MARK + PRETTY]),
        (b"  " + GOOD.replace(b" ", b"   "), [GOOD.replace(b" ", b"   ")]),
        (b"\n".join([GOOD, STRUCTURED] * 2), [GOOD, STRUCTURED] * 2),
    ],
    ids=range(8),
)
def test_what_a_worker_will_read_is_taken_byte_for_byte(
    content: bytes, expected: list[bytes], tmp_path: Path
) -> None:
    """A mark at the beginning, ends of lines of any system, one event over many lines."""
    assert expected == [one.value for one in checked(tmp_path, content)]


def test_what_other_systems_take_for_an_end_of_line_is_none(tmp_path: Path) -> None:
    """JSON allows these within a string."""
    note = json.dumps(PAYMENT | {"note": "a\u2028b\x85c\x0cd"}, ensure_ascii=False).encode()
    assert [note] == [one.value for one in checked(tmp_path, note)]


def test_a_cloud_event_is_sent_with_the_header_that_says_so() -> None:
    """Without it, a worker would look for the event's fields in the envelope."""
    assert (("content-type", b"application/cloudevents+json"),) == headers_of(STRUCTURED)
    for bare in (GOOD, b'"specversion"', b'{"a": "\\"specversion\\""}', b'x "specversion"'):
        assert () == headers_of(bare)


def test_events_are_held_against_the_settings_too(tmp_path: Path) -> None:
    """As the worker will: an account that may not be on the topic is refused here already."""
    canceled = {"account": "acme", "order_id": "o-1", "canceled_at": "2026-11-30T11:59:00Z"}
    with pytest.raises(UsageFailed, match="ACCOUNT_NOT_ALLOWED at /account"):
        checked(tmp_path, json.dumps(canceled).encode(), FactKind.ORDER_CANCELED)


def test_the_command_refuses_takes_and_sends_poison_on_request(
    tmp_path: Path, closed_port: int
) -> None:
    """Whoever tests a worker needs poison; unchecked, nothing is looked into."""
    command = CommandLine(
        {
            "RESERVATION_KAFKA__BOOTSTRAP_SERVERS": f"127.0.0.1:{closed_port}",
            "RESERVATION_KAFKA__REQUEST_TIMEOUT_MS": "300",
        }
    )

    def send(content: bytes, *options: str) -> Ended:
        file = str(written(tmp_path, content))
        ended = command("event", "send", "payment-approved", "--file", file, *options)
        assert "Traceback" not in ended.stderr
        return ended

    poison = b"\n".join([GOOD, HALF_AN_EMOJI, DOUBLED, b"\xff"])
    refused = send(poison)
    assert REFUSED == refused.code
    assert "Line 2: DECODE_FAILED: The JSON text contains a lone surrogate." in refused.stderr
    assert 1 == len(refused.stderr.splitlines())
    assert TAKEN == send(poison, "--unchecked").code
    assert TAKEN == send(MARK + PRETTY).code
    missing = command("event", "send", "payment-approved", "--file", str(tmp_path))
    assert REFUSED == missing.code
    assert "Traceback" not in missing.stderr
    assert str(tmp_path) in missing.stderr
