"""What a verification has checked, and where two books disagree."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from enum import StrEnum
from typing import Final

from reservation_worker.domain.values import value_class

NAMED_MAX = 100
"""So many differences are named; all are counted."""
VALUE_LENGTH_MAX = 120
FIELDS_NAMED_MAX = 5
"""Of one reservation or stock."""


class Check(StrEnum):
    """What is held against what."""

    EVENT_IDS = "event_ids"
    """Events stand where they belong, and their ids grow."""
    VERSIONS = "versions"
    """Versions follow each other without a gap, as far as compaction lets one see."""
    LINES = "lines"
    """Every unit of an order's line is in exactly one place."""
    BUCKETS = "buckets"
    """Every unit of a stock is in exactly one bucket."""
    SUMS = "sums"
    """The buckets of a stock are the sums of the lines that hold its units."""
    RESERVATIONS = "reservations"
    """What Redis has of a reservation is what is published of it."""
    STOCKS = "stocks"
    INDEXES = "indexes"
    """Index entries and what they stand for, in both directions."""
    OUTBOX = "outbox"
    """Every step that is not published waits in the outbox, and no other one."""
    POSITION = "position"
    """``meta`` of the shard agrees with the position in Kafka."""


TOPIC_CHECKS: Final = frozenset(
    {Check.EVENT_IDS, Check.VERSIONS, Check.LINES, Check.BUCKETS, Check.SUMS}
)
"""Where these fail the record itself is wrong: restoring from it would restore what is wrong."""


@value_class(frozen=True, slots=True)
class Difference:
    """Two values that should be the same."""

    check: Check
    shard: int
    subject: str
    """``reservation account/order``, ``stock account/warehouse/sku``, or ``shard``."""
    field: str
    expected: str
    found: str


class Findings:
    """Counts checks of one shard and collects differences; what it keeps is bounded."""

    def __init__(self, shard: int, named_max: int = NAMED_MAX) -> None:
        self.shard = shard
        self.checked: Counter[Check] = Counter()
        self.differences: list[Difference] = []
        self.differing: Counter[Check] = Counter()
        self._named_max = named_max

    @property
    def differences_total(self) -> int:
        """All of them, named or not."""
        return self.differing.total()

    @property
    def can_be_mended(self) -> bool:
        """Whether something differs, and a rebuild from the topics would restore what is right."""
        return bool(self.differing) and not TOPIC_CHECKS & self.differing.keys()

    def count(self, check: Check, times: int = 1) -> None:
        """Count checks, whatever came of them."""
        self.checked[check] += times

    def differ(
        self, check: Check, subject: str, field: str, *, expected: object, found: object
    ) -> None:
        """Note a difference."""
        self.differing[check] += 1
        if len(self.differences) < self._named_max:
            self.differences.append(
                Difference(check, self.shard, subject, field, _text(expected), _text(found))
            )

    def differ_unnamed(self, check: Check, times: int) -> None:
        """Count differences that are too many to be named."""
        self.differing[check] += times
        self.differing += Counter()  # Drops what is 0.

    def add(self, other: "Findings") -> None:
        """Take over what another part of the same verification has found."""
        self.checked.update(other.checked)
        self.differing.update(other.differing)
        self.differences += other.differences[: self._named_max - len(self.differences)]


def differing_fields(
    expected: object, found: object, fields_max: int = FIELDS_NAMED_MAX
) -> list[tuple[str, object, object]]:
    """Return the fields in which two values differ, each with both of its values."""
    one, other = dict(_flat("", expected)), dict(_flat("", found))
    differing = [
        (name, one.get(name), other.get(name))
        for name in dict.fromkeys((*one, *other))
        if one.get(name) != other.get(name)
    ]
    return differing[:fields_max]


def _flat(name: str, value: object) -> Iterable[tuple[str, object]]:
    """Yield the parts of a value by name: ``lines[0].held``."""
    if is_dataclass(value):
        for field in fields(value):
            inner = f"{name}.{field.name}" if name else field.name
            yield from _flat(inner, getattr(value, field.name))
    elif isinstance(value, tuple):
        for position, one in enumerate(value):
            yield from _flat(f"{name}[{position}]", one)
    else:
        yield name, value


def _text(value: object) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= VALUE_LENGTH_MAX else f"{text[:VALUE_LENGTH_MAX]}..."
