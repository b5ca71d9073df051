"""What the auditor sees while the day goes on, from the topics alone."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from reservation_worker.audit.verdict import Verdict
from reservation_worker.contracts.instants import parse_instant_ms
from reservation_worker.contracts.records import OutputTopic, Record
from reservation_worker.domain.reservation import Status


@dataclass(frozen=True, slots=True)
class Tally:
    """How far the day is."""

    inputs: int = 0
    changes: int = 0
    events: int = 0
    dead_letters: int = 0
    refusals: int = 0
    conflicts: int = 0
    statuses: Mapping[str, int] = field(default_factory=dict)
    """Reservations by status."""
    overdue: int = 0
    """Unpaid reservations whose deadline and grace have passed."""
    settling: int = 0
    """Stocks whose balance is not worked off yet."""


@dataclass(frozen=True, slots=True)
class Report:
    """One line of what the auditor's process writes: how far the day is, or the verdict."""

    tally: Tally | None = None
    verdict: Verdict | None = None


def report_line(report: Report) -> bytes:
    """Write a report as one line."""
    return msgspec.json.encode(report) + b"\n"


def read_report(line: bytes) -> Report:
    """Read a line that `report_line` wrote.

    Raises:
        ValueError: it is no such line.
    """
    return msgspec.json.decode(line, type=Report)


class Tallying:
    """Counts records as they are read."""

    def __init__(self, output_topics: Mapping[str, OutputTopic], dead_letter_topic: str) -> None:
        self._output_topics = output_topics
        self._dead_letter_topic = dead_letter_topic
        self._counts: Counter[str] = Counter()
        self._statuses: dict[tuple[str, str], str] = {}
        self._deadlines: dict[tuple[str, str], int] = {}
        self._settling: set[bytes | None] = set()

    def take(self, records: Iterable[Record]) -> None:
        """Count some more records."""
        for record in records:
            topic = self._output_topics.get(record.topic)
            if topic is None:
                is_letter = record.topic == self._dead_letter_topic
                self._counts["dead_letters" if is_letter else "inputs"] += 1
                continue
            self._counts["events"] += 1
            if topic is OutputTopic.RESERVATION_CHANGED:
                if record.value is None:
                    continue  # Its last status is what it had when it left.
                self._take_change(msgspec.json.decode(record.value))
            elif topic is OutputTopic.STOCK_CHANGED:
                is_settling = b'"settled_through"' in (record.value or b"")
                (self._settling.add if is_settling else self._settling.discard)(record.key)

    def tally(self, overdue_at_ms: int) -> Tally:
        """Return the counts; deadlines before an instant are overdue."""
        return Tally(
            inputs=self._counts["inputs"],
            changes=self._counts["changes"],
            events=self._counts["events"],
            dead_letters=self._counts["dead_letters"],
            refusals=self._counts["refusals"],
            conflicts=self._counts["conflicts"],
            statuses=dict(Counter(self._statuses.values())),
            overdue=sum(1 for at_ms in self._deadlines.values() if at_ms < overdue_at_ms),
            settling=len(self._settling),
        )

    def _take_change(self, body: Mapping[str, str]) -> None:
        self._counts["changes"] += 1
        self._counts["refusals"] += bool(body["shortages"])
        self._counts["conflicts"] += bool(body["conflicts"])
        order = (body["account"], body["order_id"])
        self._statuses[order] = body["status"]
        if body["status"] == Status.AUTHORIZED:
            self._deadlines[order] = parse_instant_ms(body["expires_at"])
        else:
            self._deadlines.pop(order, None)
