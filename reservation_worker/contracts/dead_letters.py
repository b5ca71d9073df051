"""An input that could not be used, byte for byte, with the reason in its headers.

What a letter says of itself, the worker alone has written: a sender's own headers of these names
are kept under other ones.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import msgspec

from reservation_worker.contracts.instants import instant_text
from reservation_worker.contracts.records import DeadLetter, Headers, Record, Rejection

TOPIC_HEADER: Final = "__dlq.errors.topic"
PARTITION_HEADER: Final = "__dlq.errors.partition"
OFFSET_HEADER: Final = "__dlq.errors.offset"
GROUP_HEADER: Final = "__dlq.errors.group"
MESSAGE_HEADER: Final = "__dlq.errors.message"
CODE_HEADER: Final = "reservation.dlq.code"
POINTER_HEADER: Final = "reservation.dlq.pointer"
FINGERPRINT_HEADER: Final = "reservation.dlq.fingerprint"
FAILED_AT_HEADER: Final = "reservation.dlq.failed-at"
ID_HEADER: Final = "reservation.dlq.id"
ORIGINAL_PREFIX: Final = "reservation.dlq.original."
"""Before the name of a header that the sender has given one of the worker's names."""

_OWN_PREFIXES: Final = ("__dlq.", "reservation.dlq.")
_ID_DIGITS: Final = 12
_FINGERPRINT_DIGITS: Final = 12
_STUB_KEY_BYTES_MAX: Final = 1024
"""A stub keeps the key of its input if it is no larger than this."""
_RECORD_OVERHEAD_BYTES: Final = 256
"""More than Kafka's framing of one record in a batch of its own."""
_HEADER_OVERHEAD_BYTES: Final = 10
"""More than the two lengths before a header's name and value."""


@dataclass(frozen=True, slots=True)
class DeadLetterLimits:
    """Who writes dead letters, and how large they may be."""

    group_id: str
    """The consumer group that read the inputs."""
    record_bytes_max: int
    """What the producer and the topic accept; larger ones are replaced by a stub."""


def fingerprint(rejection: Rejection, topic: str) -> str:
    """Return what dead letters with the same fault have in common."""
    text = f"{rejection.code.value}|{rejection.pointer or ''}|{topic}"
    return sha256(text.encode()).hexdigest()[:_FINGERPRINT_DIGITS]


def letter_id(topic: str, partition: int, offset: int, value: bytes | None) -> str:
    """Return what tells the letter of a record from all others, however often it is written.

    A record that is read again, after somebody has set its group's offsets back, has another letter
    with the same id. Of a topic that was created anew the offsets begin again: so what was in the
    record is part of it.
    """
    digest = sha256(value or b"").hexdigest()[:_ID_DIGITS]
    return f"{topic}/{partition}/{offset}/{digest}"


def kept_headers(headers: Headers) -> Headers:
    """Return the headers of a record as its letter keeps them."""
    return tuple(
        (ORIGINAL_PREFIX + name if name.lower().startswith(_OWN_PREFIXES) else name, value)
        for name, value in headers
    )


def dead_letter(
    record: Record, rejection: Rejection, limits: DeadLetterLimits, failed_at_ms: int
) -> DeadLetter:
    """Return the dead letter of a record: the same bytes, or a stub where they do not fit."""
    reason = _reason_headers(record, rejection, limits.group_id, failed_at_ms)
    whole = DeadLetter(record.key, record.value, kept_headers(record.headers) + reason)
    if _bytes_at_most(whole) <= limits.record_bytes_max:
        return whole
    return _stub(record, reason)


def _reason_headers(
    record: Record, rejection: Rejection, group_id: str, failed_at_ms: int
) -> Headers:
    identity = letter_id(record.topic, record.partition, record.offset, record.value)
    headers = [
        (ID_HEADER, identity),
        (TOPIC_HEADER, record.topic),
        (PARTITION_HEADER, str(record.partition)),
        (OFFSET_HEADER, str(record.offset)),
        (GROUP_HEADER, group_id),
        (MESSAGE_HEADER, rejection.message),
        (CODE_HEADER, rejection.code.value),
        (FINGERPRINT_HEADER, fingerprint(rejection, record.topic)),
        (FAILED_AT_HEADER, instant_text(failed_at_ms)),
    ]
    if rejection.pointer is not None:
        headers.append((POINTER_HEADER, rejection.pointer))
    return tuple((name, value.encode()) for name, value in headers)


def _bytes_at_most(letter: DeadLetter) -> int:
    headers = sum(
        len(name.encode()) + len(value or b"") + _HEADER_OVERHEAD_BYTES
        for name, value in letter.headers
    )
    return len(letter.key or b"") + len(letter.value or b"") + headers + _RECORD_OVERHEAD_BYTES


def _stub(record: Record, reason: Headers) -> DeadLetter:
    """Name the record and the digest of its value: enough to find it while its topic has it."""
    value = record.value or b""
    key = record.key if len(record.key or b"") <= _STUB_KEY_BYTES_MAX else None
    stub = {
        "dead_letter_stub": {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "value_bytes": len(value),
            "sha256": sha256(value).hexdigest(),
        }
    }
    return DeadLetter(key, msgspec.json.encode(stub), reason)
