"""A backlog as the worker has seen it: the same facts, in the order in which it reads them."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from confluent_kafka import Consumer, TopicPartition
from prometheus_client import CollectorRegistry

from reservation_worker.adapters.kafka.configuration import reader_options
from reservation_worker.adapters.kafka.input_log import InputLogParts, KafkaInputLog
from reservation_worker.adapters.kafka.reader import TopicReader
from reservation_worker.apply.batches import Batch, WaitingFact
from reservation_worker.benchmark.place import Place
from reservation_worker.benchmark.stage import STALL_SECONDS, Stalled
from reservation_worker.composition import (
    build_clock,
    build_decoder,
    build_metrics,
    input_topics,
    kafka_config,
)
from reservation_worker.contracts.records import Record, Rejection, record_bytes
from reservation_worker.domain.facts import InputFact
from reservation_worker.ports import Partition

POLL_TIMEOUT_MS = 200
Poll = tuple[WaitingFact, ...]
"""What one poll brought, decoded."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A backlog, read once more by the production reader, and decoded."""

    records_total: int
    polls: Sequence[Poll]
    fetch_seconds: float
    """Inside of polls that brought something, but for the first of them."""
    decode_seconds: float


def input_ends(found: Place) -> dict[Partition, int]:
    """Return the end of every input partition."""
    settings = found.settings()
    reader = TopicReader(kafka_config(settings), input_topics(settings))
    try:
        return reader.end_offsets()
    finally:
        reader.close()


def begin_group_at(found: Place, group_id: str, offsets: Mapping[Partition, int]) -> None:
    """Let a group that has no members begin at these offsets."""
    config = replace(kafka_config(found.settings()), group_id=group_id)
    consumer = Consumer(reader_options(config, "benchmark"))
    try:
        consumer.commit(
            offsets=[TopicPartition(*one, offset) for one, offset in offsets.items()],
            asynchronous=False,
        )
    finally:
        consumer.close()


def see_again(found: Place, begin: Mapping[Partition, int]) -> Seen:
    """Read a backlog as the apply loop does, and apply nothing.

    Raises:
        Stalled: it cannot be read to its end.
    """
    settings = found.settings()
    group_id = f"{settings.kafka.group_id}-again"
    begin_group_at(found, group_id, begin)
    decode, now_ms = build_decoder(settings).decode, build_clock().now_ms()
    polls: list[Poll] = []
    records_total, fetch_seconds, decode_seconds = 0, 0.0, 0.0
    for records, seconds in _polls(found, group_id):
        if records_total:
            fetch_seconds += seconds
        records_total += len(records)
        begun = time.perf_counter()
        facts = [(record, decode(record, now_ms)) for record in records]
        decode_seconds += time.perf_counter() - begun
        polls.append(tuple([waiting_fact(record, fact) for record, fact in facts]))
    return Seen(records_total, polls, fetch_seconds, decode_seconds)


def waiting_fact(record: Record, fact: InputFact | Rejection) -> WaitingFact:
    """Return a decoded record as the apply loop queues it; none of a benchmark's is unusable."""
    assert not isinstance(fact, Rejection), fact
    return WaitingFact(fact, record, record_bytes(record), Batch({}, None, 0))


def _polls(found: Place, group_id: str) -> Iterator[tuple[tuple[Record, ...], float]]:
    """Poll to the ends of all partitions; with each poll's records, how long it took."""
    settings = found.settings()
    ends = input_ends(found)
    records_max = settings.apply.records_per_poll_max
    config = replace(kafka_config(settings), group_id=group_id)
    log = KafkaInputLog(
        config,
        InputLogParts(
            topics=input_topics(settings),
            dead_letter_topic=settings.topics.dead_letter,
            clock=build_clock(),
            metrics=build_metrics(settings, CollectorRegistry()),
        ),
    )
    read_up_to: dict[Partition, int] = {}
    moved_at = time.monotonic()
    try:
        while any(read_up_to.get(one, 0) < end for one, end in ends.items()):
            begun = time.perf_counter()
            polled = log.poll(POLL_TIMEOUT_MS, records_max)
            seconds = time.perf_counter() - begun
            if polled.read_up_to:
                read_up_to.update(polled.read_up_to)
                moved_at = time.monotonic()
            elif time.monotonic() - moved_at > STALL_SECONDS:
                raise Stalled("the backlog cannot be read again")
            if polled.records:
                yield polled.records, seconds
    finally:
        log.close()
