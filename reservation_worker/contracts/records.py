"""Kafka records as values: what is read, what is written, and why one could not be used."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from reservation_worker.domain.outcome import OutcomeKind
from reservation_worker.domain.values import value_class

Headers = tuple[tuple[str, bytes | None], ...]
"""In the order of the record; a name may come several times."""


@value_class(frozen=True, slots=True)
class Record:
    """One record of an input topic, as it was read."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    """The record's own timestamp."""
    key: bytes | None
    value: bytes | None
    headers: Headers


class RejectionCode(StrEnum):
    """Why an input cannot be used."""

    DECODE_FAILED = "DECODE_FAILED"
    """Not one UTF-8 JSON text: broken, duplicate keys, NaN, nested too deep."""
    NULL_VALUE = "NULL_VALUE"
    SCHEMA_INVALID = "SCHEMA_INVALID"
    """Missing or wrong fields, floats, empty lines, a repeated line."""
    UNSUPPORTED_TYPE = "UNSUPPORTED_TYPE"
    UNSUPPORTED_VERSION = "UNSUPPORTED_VERSION"
    OUT_OF_BOUNDS = "OUT_OF_BOUNDS"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    CLOCK_SKEW = "CLOCK_SKEW"
    """A time too far ahead of the record's own timestamp, or of now."""
    BALANCE_DIFFERS = "BALANCE_DIFFERS"
    """A more careful balance of the same ``counted_at`` stands."""
    ORPHANED = "ORPHANED"
    """Facts whose order never came."""
    ACCOUNT_NOT_ALLOWED = "ACCOUNT_NOT_ALLOWED"
    """A setting binds the topic to a list of accounts, and this one is not on it."""
    UNDECIDABLE = "UNDECIDABLE"
    """The step's script failed on this fact alone: a defect of the worker, not of the record."""


@value_class(frozen=True, slots=True)
class Rejection:
    """Why one input cannot be used."""

    code: RejectionCode
    pointer: str | None
    """JSON pointer (RFC 6901) of the bad field; None where no single field is at fault."""
    message: str
    """One sentence without any part of the payload."""


class OutputTopic(StrEnum):
    """The topics written, by their default names; settings may name others."""

    RESERVATION_CHANGED = "reservation-changed"
    ACKNOWLEDGED_RESERVATION = "acknowledged-reservation"
    STOCK_CHANGED = "stock-changed"
    DEAD_LETTER = "reservation-dead-letter"


EVENT_TOPICS: Final = (
    OutputTopic.RESERVATION_CHANGED,
    OutputTopic.ACKNOWLEDGED_RESERVATION,
    OutputTopic.STOCK_CHANGED,
)
"""Those with one partition per shard, and nothing but events on them."""
ANY_PARTITION: Final = -1
"""The client chooses by the key."""


@value_class(frozen=True, slots=True)
class OutputRecord:
    """One record to be written; a pure function of shard, step, index and event."""

    topic: OutputTopic
    partition: int
    """The shard's number; of a dead letter, any."""
    key: bytes
    value: bytes | None
    """None: a tombstone."""
    headers: tuple[tuple[str, bytes], ...]


RESTORED_FROM: Final = (OutputTopic.STOCK_CHANGED, OutputTopic.RESERVATION_CHANGED)
"""In this order: which index an acknowledged unit belongs to, its stock says."""


_EVENT_ID: Final = re.compile(r"\d{1,6}-(?P<step>\d{1,15})-\d{1,9}", re.ASCII)


def step_of(headers: Mapping[str, str | bytes | None] | Mapping[str, bytes]) -> int:
    """Return the step of a published event, from its id ``shard-step-index``.

    0 without one, or with another form of id: no worker has written that.
    """
    event_id = headers.get("ce_id")
    text = event_id.decode() if isinstance(event_id, bytes) else event_id
    found = _EVENT_ID.fullmatch(text or "")
    return 0 if found is None else int(found["step"])


SOURCE_HEADER: Final = "ce_source"
"""Which deployment has published an event."""


@value_class(frozen=True, slots=True)
class PublishedRecord:
    """One record of an output topic, read back."""

    topic: OutputTopic
    key: bytes
    value: bytes | None
    """None: a tombstone."""
    offset: int
    timestamp_ms: int
    """The record's own timestamp: not before the step that it tells of."""
    step: int = 0
    """Of a tombstone that names it; 0: the body does, or nobody."""


@value_class(frozen=True, slots=True)
class DeadLetter:
    """One record for the dead letter topic."""

    key: bytes | None
    value: bytes | None
    headers: Headers


def record_bytes(record: Record) -> int:
    """Return the bytes of key, value and headers together."""
    total = len(record.value or b"") + len(record.key or b"")
    if record.headers:
        total += sum(len(name) + len(value or b"") for name, value in record.headers)
    return total


def rejection_of(outcome: OutcomeKind) -> Rejection | None:
    """Return why a fact with this outcome is dead-lettered; None if it is not."""
    if outcome is OutcomeKind.BALANCE_DIFFERS:
        return Rejection(
            RejectionCode.BALANCE_DIFFERS,
            "/counted_at",
            "A more careful balance with the same counted_at stands.",
        )
    if outcome is OutcomeKind.OUT_OF_BOUNDS:
        return Rejection(
            RejectionCode.OUT_OF_BOUNDS,
            None,
            "The reservation would remember or publish more than its bounds allow.",
        )
    return None
