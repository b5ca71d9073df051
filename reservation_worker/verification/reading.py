"""Reads what is published of a shard on and on, and notes it, up to one step at a time.

A transaction holds whole steps, and the position says which one was the last. So what is read is
noted up to the position that was read before it, and the rest is held back: then both topics are
noted up to the same step, whatever the worker does meanwhile.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from reservation_worker.contracts.records import RESTORED_FROM, OutputTopic
from reservation_worker.domain.values import value_class
from reservation_worker.ports import BrokerUnavailable, Position
from reservation_worker.verification.awaited import Awaited, Mismatch
from reservation_worker.verification.differences import Check, Findings
from reservation_worker.verification.events import (
    AnyEvent,
    EventId,
    EventReader,
    Removal,
    ReservationEvent,
    StockEvent,
    reservation_subject,
    stock_subject,
)
from reservation_worker.verification.notebook import Notebook, Row
from reservation_worker.verification.parts import (
    CannotVerify,
    ReadingParts,
    VerificationConfig,
)

GAPS_MAX: Final = 1_000
"""So many are looked at again after one reading; more there are only while a topic is compacted."""


@value_class(frozen=True, slots=True)
class Gap:
    """Two versions of one key that do not follow each other."""

    topic: OutputTopic
    key: str
    before: Row
    version: int


class Reading:
    """One shard's topics, up to a cut: every step up to there is noted, and no later one."""

    def __init__(
        self,
        config: VerificationConfig,
        parts: ReadingParts,
        notebook: Notebook,
        findings: Findings,
    ) -> None:
        """Begin before the first record."""
        self.cut = 0
        self.awaited = Awaited()
        self.mismatches: dict[OutputTopic, list[Mismatch]] = {one: [] for one in RESTORED_FROM}
        self._config = config
        self._parts = parts
        self._notebook = notebook
        self._findings = findings
        self.shard = findings.shard
        self._events = EventReader(config.shards_total, parts.packing, findings)
        self._after: dict[str, int] = {}
        self._held_back: dict[OutputTopic, list[AnyEvent]] = {one: [] for one in RESTORED_FROM}
        self._latest = dict.fromkeys(RESTORED_FROM, EventId(0, 0))
        self._steps = dict.fromkeys(RESTORED_FROM, 0)
        self._gaps: list[Gap] = []
        self._read_total = 0

    def advance(self) -> Position:
        """Read on to the end that the topics have now; returns the position that is the cut.

        Raises:
            CannotVerify: the position is gone.
            BrokerUnavailable: Kafka does not answer, or a transaction is still open.
        """
        # The transaction of an owner that was killed stays open for longer than a request may take.
        for _ in range(self._config.reads_max - 1 if self.cut else 0):
            with suppress(BrokerUnavailable):
                return self._advance()
        return self._advance()

    def _advance(self) -> Position:
        position = self._parts.positions.position(self.shard)
        if position is None:
            raise CannotVerify("Its position is gone from its consumer group.")
        for topic in RESTORED_FROM:
            self._release(topic, position.step)
        reading = self._parts.topics.read_on(self.shard, self._after)
        while not reading.finished:
            records = reading.read(self._config.records_per_read_max)
            if not records:
                continue
            topic = records[0].topic
            self._after[topic] = records[-1].offset + 1
            events = [event for one in records if (event := self._events.read(one)) is not None]
            self._take(topic, events, position.step)
            self._read_total += len(records)
            self._parts.progress(
                f"shard {self.shard}: {self._read_total} events read, "
                f"at most {reading.records_left} are left"
            )
        self.cut = position.step
        for topic in RESTORED_FROM:
            self._compare_awaited(topic, self.cut)
        self._look_at_gaps()
        return position

    def forget_awaited(self) -> None:
        """Wait for no look any more: what they have seen may have been made anew."""
        self.awaited.clear()
        for mismatches in self.mismatches.values():
            mismatches.clear()

    def _release(self, topic: OutputTopic, step: int) -> None:
        """Note what was held back: it was committed when the position was read."""
        held_back, self._held_back[topic] = self._held_back[topic], []
        for event in held_back:
            if event.event_id is not None and event.event_id.step > step:
                self._findings.differ(
                    Check.EVENT_IDS,
                    _subject(event),
                    f"step of the event at offset {event.offset}",
                    expected=f"at most {step}, the last one that is published",
                    found=event.event_id.step,
                )
        self._note(topic, held_back, step)

    def _take(self, topic: OutputTopic, events: list[AnyEvent], step: int) -> None:
        """Note events up to a step, and hold back what stands behind the first later one."""
        held_back = self._held_back[topic]
        noted = len(events) if not held_back else 0
        for position, event in enumerate(events[:noted]):
            if event.event_id is not None and event.event_id.step > step:
                noted = position
                break
        held_back += events[noted:]
        self._note(topic, events[:noted], step)

    def _note(self, topic: OutputTopic, events: list[AnyEvent], step_max: int) -> None:
        """Note events; what is awaited in between is compared at its step."""
        self._findings.count(Check.EVENT_IDS, len(events))
        cuts = [0]
        for position, event in enumerate(events):
            step = self._step_of(topic, event, step_max)
            awaited = self.awaited.next_step(topic)
            if awaited is not None and step > awaited:
                self._write(topic, events[cuts[-1] : position])
                cuts.append(position)
                self._compare_awaited(topic, step - 1)
        self._write(topic, events[cuts[-1] :])

    def _step_of(self, topic: OutputTopic, event: AnyEvent, step_max: int) -> int:
        """Return the step that an event belongs to: in a partition they never fall."""
        event_id, latest = event.event_id, self._latest[topic]
        if event_id is None:
            return self._steps[topic]
        is_later = (event_id.step, event_id.index) > (latest.step, latest.index)
        if event_id.step > step_max:
            return self._steps[topic]  # told when it was released
        if not is_later and not isinstance(event, Removal):
            self._findings.differ(
                Check.EVENT_IDS,
                _subject(event),
                f"event id at offset {event.offset}",
                expected=f"behind {latest.step}-{latest.index}",
                found=f"{event_id.step}-{event_id.index}",
            )
        if is_later:
            self._latest[topic] = event_id
        self._steps[topic] = max(self._steps[topic], event_id.step)
        return self._steps[topic]

    def _write(self, topic: OutputTopic, events: Sequence[AnyEvent]) -> None:
        if not events:
            return
        keys = list(dict.fromkeys(event.key for event in events))
        rows: dict[str, Row | None] = dict(self._rows(topic, keys))
        newest: dict[str, AnyEvent] = {}
        for event in events:
            newest[event.key] = event
            if isinstance(event, Removal):
                rows[event.key] = None
                continue
            self._judge_version(topic, event, rows.get(event.key))
            rows[event.key] = Row(event.version, event.offset, event.digest)
        if topic is OutputTopic.STOCK_CHANGED:
            self._notebook.put_stocks(
                {key: one for key, one in newest.items() if isinstance(one, StockEvent)}
            )
        else:
            self._notebook.put_reservations(
                {
                    key: one if isinstance(one, ReservationEvent) else None
                    for key, one in newest.items()
                }
            )

    def _rows(self, topic: OutputTopic, keys: list[str]) -> dict[str, Row]:
        if topic is OutputTopic.STOCK_CHANGED:
            return self._notebook.stocks(keys)
        return self._notebook.reservations(keys)

    def _judge_version(
        self, topic: OutputTopic, event: ReservationEvent | StockEvent, before: Row | None
    ) -> None:
        self._findings.count(Check.VERSIONS)
        if before is None or event.version == before.version + 1:
            return
        if len(self._gaps) < GAPS_MAX:
            self._gaps.append(Gap(topic, event.key, before, event.version))

    def _look_at_gaps(self) -> None:
        """Tell what compaction took while the topic was read from what was never there.

        It takes the older of two records first: while that one stands, nothing behind it is gone.
        """
        gaps, self._gaps = self._gaps, []
        for gap in gaps:
            if self._parts.topics.record_at(self.shard, gap.topic, gap.before.offset) is None:
                continue
            is_stock = gap.topic is OutputTopic.STOCK_CHANGED
            self._findings.differ(
                Check.VERSIONS,
                stock_subject(gap.key) if is_stock else reservation_subject(gap.key),
                "version that follows",
                expected=gap.before.version + 1,
                found=gap.version,
            )

    def _compare_awaited(self, topic: OutputTopic, up_to_step: int) -> None:
        looks = self.awaited.take(topic, up_to_step)
        if not looks:
            return
        rows = self._rows(topic, list(dict.fromkeys(look.key for look in looks)))
        for look in looks:
            row = rows.get(look.key)
            if look.digest != (None if row is None else row.digest):
                self.mismatches[topic].append(Mismatch(look.key, row))


def _subject(event: AnyEvent) -> str:
    is_stock = isinstance(event, StockEvent)
    return stock_subject(event.key) if is_stock else reservation_subject(event.key)
