"""What the auditor reads: input records with what they state, and the steps that came of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from reservation_worker.audit.verdict import Findings, Law
from reservation_worker.contracts.decode import Decoder
from reservation_worker.contracts.instants import parse_instant_ms
from reservation_worker.contracts.outputs import AnyOutputBody, StockChangedBody, parse_output
from reservation_worker.contracts.records import OutputTopic, Record, Rejection
from reservation_worker.domain.facts import Coordinates, InputFact
from reservation_worker.domain.keys import ReservationId, StockId, shard_of, split_key


@dataclass(frozen=True, slots=True)
class AuditConfig:
    """What the auditor must know besides the topics' contents."""

    shards_total: int
    output_topics: Mapping[str, OutputTopic]
    """What is in each output topic, by the topic's name."""
    dead_letter_topic: str
    grace_ms: int
    """So long after its deadline a reservation must not be expired yet."""
    audited_at_ms: int
    """When the topics had been read: older deadlines must have been kept by now."""
    expiry_delay_max_ms: int
    """So long after deadline and grace an unpaid reservation may still stand."""
    settled_entries_max: int
    """How many acknowledged entries the workers settle in one step."""
    over_retention_ms: int
    """So long is a reservation kept that is over."""
    awaiting_retention_ms: int
    """So long is a reservation kept whose order does not come."""


@dataclass(frozen=True, slots=True)
class Input:
    """An input record and what it states, or why it states nothing."""

    record: Record
    stated: InputFact | Rejection

    @property
    def coordinates(self) -> Coordinates:
        """Name the record for good."""
        return (self.record.topic, self.record.partition, self.record.offset)

    @property
    def name(self) -> str:
        """Name the record in a sentence."""
        return name_of(self.coordinates)


@dataclass(frozen=True, slots=True, order=True)
class EventId:
    """``shard-step-index``: unique for ever, growing within a partition."""

    shard: int
    step: int
    index: int

    def __str__(self) -> str:
        """Write it as the events do."""
        return f"{self.shard}-{self.step}-{self.index}"


@dataclass(frozen=True, slots=True)
class Removal:
    """What a tombstone says in its headers; it has no body."""

    event_id: str
    account: str
    order_id: str
    removed_at_ms: int


@dataclass(frozen=True, slots=True)
class Published:
    """One event of an output topic."""

    event_id: EventId
    topic: OutputTopic
    record: Record
    body: AnyOutputBody | Removal

    @property
    def subject(self) -> ReservationId | StockId:
        """What the event speaks of."""
        body = self.body
        if isinstance(body, StockChangedBody):
            return StockId(body.account, body.warehouse_id, body.sku)
        return ReservationId(body.account, body.order_id)


@dataclass(slots=True)
class Step:
    """The events of one step of one shard, over all output topics, in order."""

    shard: int
    number: int
    events: list[Published] = field(default_factory=list)


def name_of(coordinates: Coordinates) -> str:
    """Name an input record in a sentence."""
    topic, partition, offset = coordinates
    return f"{topic}/{partition}@{offset}"


def read_inputs(
    records: Iterable[Record], decoder: Decoder, read_at_ms: int
) -> dict[Coordinates, Input]:
    """Return what each input record states, by the contract that the workers read with.

    When they read it nobody knows but them: not before the record was written, in any case.
    """
    inputs = (Input(record, decoder.decode(record, read_at_ms)) for record in records)
    return {one.coordinates: one for one in inputs}


def read_steps(records: Iterable[Record], config: AuditConfig, findings: Findings) -> list[Step]:
    """Return the steps of all shards, each shard's in order; judges what is published once (G3)."""
    steps: dict[tuple[int, int], Step] = {}
    latest: dict[tuple[str, int], EventId] = {}
    for record in records:
        published = _read(record, config.output_topics[record.topic], findings)
        if published is None:
            continue
        _judge_place(published, config.shards_total, findings)
        place = (record.topic, record.partition)
        event_id, before = published.event_id, latest.get(place)
        is_new = findings.check(
            Law.PUBLISHED_ONCE,
            "events, their ids growing",
            holds=before is None or before < event_id,
            violation=f"{record.topic}/{record.partition}: event {event_id} was published again, "
            f"or too late: event {before} stands before it",
        )
        if not is_new:
            continue
        latest[place] = event_id
        key = (event_id.shard, event_id.step)
        steps.setdefault(key, Step(*key)).events.append(published)
    ordered = [steps[key] for key in sorted(steps)]
    for step in ordered:
        _judge_completeness(step, findings)
    return ordered


def _read(record: Record, topic: OutputTopic, findings: Findings) -> Published | None:
    where = f"{record.topic}/{record.partition}@{record.offset}"
    try:
        body = _tombstone(record) if record.value is None else parse_output(topic, record.value)
    except (KeyError, ValueError) as error:
        summary = str(error).splitlines()[0]
        findings.violate(Law.PUBLISHED_ONCE, f"{where}: the event cannot be read: {summary}")
        return None
    shard, step, index = (int(part) for part in body.event_id.split("-"))
    return Published(EventId(shard, step, index), topic, record, body)


def _tombstone(record: Record) -> Removal:
    headers = {name: (value or b"").decode() for name, value in record.headers}
    account, order_id = split_key((record.key or b"").decode())
    return Removal(headers["ce_id"], account, order_id, parse_instant_ms(headers["ce_time"]))


def _judge_place(published: Published, shards_total: int, findings: Findings) -> None:
    record, body = published.record, published.body
    headers = dict(record.headers)
    shard = shard_of(body.account, shards_total)
    findings.check(
        Law.PUBLISHED_ONCE,
        "events at their place",
        holds=published.event_id.shard == record.partition == shard
        and record.key == published.subject.key.encode()
        and headers.get("ce_id") == body.event_id.encode(),
        violation=f"{record.topic}/{record.partition}@{record.offset}: event {body.event_id} of "
        f"{published.subject.key} has the wrong partition, key or ce_id",
    )


def _judge_completeness(step: Step, findings: Findings) -> None:
    step.events.sort(key=lambda one: one.event_id)
    indexes = [one.event_id.index for one in step.events]
    findings.check(
        Law.PUBLISHED_ONCE,
        "steps, complete",
        holds=indexes == list(range(len(indexes))),
        violation=f"step {step.shard}-{step.number} is torn: its events have the indexes "
        f"{', '.join(map(str, indexes[:10]))}",
    )
