"""Records read, as many as the worker writes written, in transactions, and no work between.

The clients have the settings of the worker's own. It is a process of its own, like the worker.
"""

import math
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from random import Random

import msgspec
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka import Message as ReadMessage

from reservation_worker.adapters.kafka.configuration import (
    member_options,
    producer_options,
    reader_options,
)
from reservation_worker.adapters.kafka.errors import is_end_of_partition
from reservation_worker.adapters.kafka.producer import (
    Message,
    ProducerTimeouts,
    TransactionalProducer,
)
from reservation_worker.benchmark.place import Place
from reservation_worker.benchmark.stage import STALL_SECONDS, Stalled
from reservation_worker.composition import build_clock, event_topics, input_topics, kafka_config
from reservation_worker.contracts.records import OutputTopic
from reservation_worker.ports import Membership, Partition
from reservation_worker.settings.model import Settings

ROLE = "benchmark"
POLL_SECONDS = 0.1
COPIES_PER_READ = 5_000
MIXED = 1
"""Seed of the order in which they are written."""
COPIES_MAX = 20_000
"""So many real output records are kept to be written again and again."""
OUTPUTS = ("RESERVATION_CHANGED", "ACKNOWLEDGED_RESERVATION", "STOCK_CHANGED")
SUFFIX = "passed-through"
COMMAND = "bench-pass-through"
END_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Copy:
    """One real output record, to be written once more."""

    topic: str
    """Its default name."""
    partition: int
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class PassThroughPlan:
    """What the process is told."""

    group_id: str
    copies: list[Copy]
    events_per_record: float
    events_per_transaction: int
    """A transaction ends at so many, or when there is nothing more to read."""
    records_total: int | None
    """None: until it is ended."""
    names_its_cause: bool
    """The first output of each record is a change of a reservation, and has the record's
    coordinates as its key.
    """


@dataclass(frozen=True, slots=True)
class PassedThrough:
    """What the process reports at its end."""

    records: int
    events: int
    transactions: int
    fetch_seconds: float
    """Waiting for the first records is not counted."""
    produce_seconds: float
    commit_seconds: float
    """Sending the offsets, and waiting for the end of the transactions."""


def pass_through(settings: Settings, plan: PassThroughPlan) -> PassedThrough:
    """Read and write until all records have been read.

    Raises:
        Stalled: there are fewer records.
    """
    return _PassThrough(settings, plan).run()


class _PassThrough:
    """One consumer, one producer, one thread."""

    def __init__(self, settings: Settings, plan: PassThroughPlan) -> None:
        config = replace(kafka_config(settings), group_id=plan.group_id)
        self._plan = plan
        self._records_max = settings.apply.records_per_poll_max
        self._consumer = Consumer(member_options(config, ROLE, config.group_id))
        self._consumer.subscribe(list(input_topics(settings)))
        self._producer = TransactionalProducer(
            producer_options(config, ROLE),
            ProducerTimeouts.of(config),
            build_clock(),
        )
        names = {topic.value: name for topic, name in event_topics(settings).items()}
        copies: list[Message] = [
            (names[one.topic], one.value, one.key, one.partition, [*one.headers])
            for one in plan.copies
        ]
        self._copies = cycle(copies)
        self._changes = cycle(
            [one for one in copies if one[0] == names[OutputTopic.RESERVATION_CHANGED]]
        )
        self._events: list[Message] = []
        self._offsets: dict[Partition, int] = {}
        self._marks = [0.0, 0.0]
        self._records = self._events_total = self._transactions = 0
        self._fetch_seconds = self._produce_seconds = self._commit_seconds = 0.0

    def run(self) -> PassedThrough:
        self._producer.prepare()
        moved_at = time.monotonic()
        total = self._plan.records_total
        while total is None or self._records < total:
            begun = time.perf_counter()
            records = self._poll(0.0 if self._events else POLL_SECONDS)
            if records and self._records:
                self._fetch_seconds += time.perf_counter() - begun
            if records:
                moved_at = time.monotonic()
                self._take(records)
            elif total is not None and time.monotonic() - moved_at > STALL_SECONDS:
                raise Stalled(f"only {self._records} of {total} records were there to be read")
            if self._events and (
                not records or len(self._events) >= self._plan.events_per_transaction
            ):
                self._commit()
        if self._events:
            self._commit()
        self._consumer.close()
        self._producer.close()
        return PassedThrough(
            self._records,
            self._events_total,
            self._transactions,
            self._fetch_seconds,
            self._produce_seconds,
            self._commit_seconds,
        )

    def _poll(self, timeout_seconds: float) -> list[ReadMessage]:
        first = self._consumer.poll(timeout_seconds)
        if first is None:
            return []
        found = [first, *self._consumer.consume(self._records_max, 0)]
        records = []
        for one in found:
            error = one.error()
            if error is None:
                records.append(one)
            elif not is_end_of_partition(error):
                raise Stalled(f"the records cannot be read: {error.str()}")
        return records

    def _take(self, records: Sequence[ReadMessage]) -> None:
        for record in records:
            topic, number, offset = record.topic(), record.partition(), record.offset()
            assert topic is not None
            assert number is not None
            assert offset is not None
            self._records += 1
            self._offsets[topic, number] = offset + 1
            wanted = round(self._records * self._plan.events_per_record) - self._events_total
            if self._plan.names_its_cause:
                name, value, _key, partition, headers = next(self._changes)
                cause = f"{topic}/{number}/{offset}".encode()
                self._events.append((name, value, cause, partition, headers))
                self._events_total += 1
                wanted -= 1
            for _ in range(wanted):
                self._events.append(next(self._copies))
                self._events_total += 1

    def _commit(self) -> None:
        membership = Membership(
            str(self._consumer.memberid()), self._consumer.consumer_group_metadata()
        )
        begun = time.perf_counter()
        self._producer.commit(
            self._events,
            [TopicPartition(*one, offset) for one, offset in self._offsets.items()],
            membership,
            on_produced=lambda: self._mark(0),
            on_offsets_sent=lambda: self._mark(1),
        )
        self._produce_seconds += self._marks[0] - begun
        self._commit_seconds += time.perf_counter() - self._marks[0]
        self._transactions += 1
        self._events = []
        self._offsets.clear()

    def _mark(self, index: int) -> None:
        self._marks[index] = time.perf_counter()


def output_ends(found: Place) -> dict[Partition, int]:
    """Return the end of every output partition."""
    settings = found.settings()
    consumer = Consumer(reader_options(kafka_config(settings), ROLE))
    try:
        return {
            (topic, number): consumer.get_watermark_offsets(TopicPartition(topic, number), 10)[1]
            for topic in event_topics(settings).values()
            for number in range(settings.topics.shards_total)
        }
    finally:
        consumer.close()


def copies_from(found: Place, begin: dict[Partition, int]) -> list[Copy]:
    """Return some of the records that the worker has written behind these offsets, mixed.

    Of each topic as many as its share of all of them is.

    Raises:
        Stalled: there are none.
    """
    settings = found.settings()
    defaults = {name: topic.value for topic, name in event_topics(settings).items()}
    written = {one: end - begin[one] for one, end in output_ends(found).items()}
    of_topic = Counter[str]()
    for (topic, _number), records in written.items():
        of_topic[topic] += records
    part = min(1.0, COPIES_MAX / max(1, of_topic.total()))
    wanted = {topic: math.ceil(records * part) for topic, records in of_topic.items()}
    left = {one for one, records in written.items() if records}
    consumer = Consumer(reader_options(kafka_config(settings), ROLE))
    consumer.assign([TopicPartition(*one, begin[one]) for one in left])
    copies: list[Copy] = []
    give_up_at = time.monotonic() + STALL_SECONDS
    while left and any(wanted.values()) and time.monotonic() < give_up_at:
        for one in consumer.consume(COPIES_PER_READ, POLL_SECONDS):
            topic, number = str(one.topic()), one.partition() or 0
            value = one.value()
            if one.error() is not None:
                left.discard((topic, number))
            elif value is not None and wanted[topic]:
                wanted[topic] -= 1
                read = one.headers() or []
                headers = [(name, text) for name, text in read if isinstance(text, bytes)]  # type: ignore[str-unpack]  # pairs, whatever its type says
                copies.append(Copy(defaults[topic], number, one.key() or b"", value, headers))
    consumer.close()
    if not copies:
        raise Stalled("the worker has written nothing that could be written again")
    Random(MIXED).shuffle(copies)
    return copies


def apart(found: Place) -> Place:
    """Return the place with other output topics: those of the worker hold its truth."""
    names = {
        f"RESERVATION_TOPICS__{topic}": name
        for topic, name in zip(OUTPUTS, topics_apart(found), strict=True)
    }
    return replace(found, variables={**found.variables, **names})


def topics_apart(found: Place) -> tuple[str, ...]:
    """Return the names of these topics."""
    topics = found.settings().topics
    return tuple(f"{getattr(topics, topic.lower())}-{SUFFIX}" for topic in OUTPUTS)


def read_plan(path: Path) -> PassThroughPlan:
    """Read what the process is told."""
    return msgspec.msgpack.decode(path.read_bytes(), type=PassThroughPlan)


@contextmanager
def started_pass_through(found: Place, plan: PassThroughPlan) -> Iterator[None]:
    """Run a process that passes records through; it is ended with the block."""
    path = found.directory / "pass-through.plan"
    path.write_bytes(msgspec.msgpack.encode(plan))
    with (found.directory / "pass-through.log").open("ab") as log:
        process = subprocess.Popen(
            [*found.command(COMMAND, str(path)), *found.config_options()],
            env=found.environment,
            stdout=log,
            stderr=log,
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
