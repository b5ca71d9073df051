"""Judges what a contender has published, by the same auditor for all, from the topics alone.

One thing is made equal before: headers that the contract does not name are left out, and the others
are put in its order, because a framework that adds or sorts headers does no harm by that.
"""

from collections.abc import Iterator
from dataclasses import replace
from time import monotonic

from reservation_worker.adapters.kafka.configuration import KafkaConfig
from reservation_worker.adapters.kafka.reader import TopicReader
from reservation_worker.audit.judge import judge
from reservation_worker.audit.topics import AuditConfig
from reservation_worker.audit.verdict import Verdict
from reservation_worker.benchmark.stage import Stalled
from reservation_worker.contracts.records import OutputTopic, Record
from reservation_worker.domain.ledger import SETTLED_ENTRIES_MAX
from tests.benchmarks.peers.given import SHARDS_TOTAL, Given

HEADERS = (
    "ce_specversion",
    "ce_id",
    "ce_source",
    "ce_type",
    "ce_subject",
    "ce_time",
    "ce_partitionkey",
    "content-type",
    "traceparent",
)
READ_SECONDS_MAX = 120
LONGER_THAN_ANY_RUN_MS = 1_000_000_000
"""No reservation expires or leaves while a contender is measured."""


def topic_reader(given: Given, *topics: str) -> TopicReader:
    """Return a reader that knows the contender's group, for all of an attempt's topics or some."""
    names = topics or (
        *given.input_topics,
        *given.event_topics,
        given.topic(OutputTopic.DEAD_LETTER.value),
    )
    config = KafkaConfig(
        bootstrap_servers=given.bootstrap_servers, group_id=given.group_id, worker_slot="judge"
    )
    return TopicReader(config, names)


def judged(given: Given, audited_at_ms: int) -> Verdict:
    """Read an attempt's topics to their ends and judge them.

    Raises:
        Stalled: they cannot be read to their ends, as while a transaction is open.
    """
    inputs: list[Record] = []
    outputs: list[Record] = []
    for record in _all_records(given):
        if record.topic in given.input_topics:
            inputs.append(record)
        elif record.topic in given.event_topics:
            outputs.append(replace(record, headers=contract_headers(record)))
        else:
            outputs.append(record)
    config = AuditConfig(
        shards_total=SHARDS_TOTAL,
        output_topics=given.event_topics,
        dead_letter_topic=given.topic(OutputTopic.DEAD_LETTER.value),
        grace_ms=LONGER_THAN_ANY_RUN_MS,
        audited_at_ms=audited_at_ms,
        expiry_delay_max_ms=LONGER_THAN_ANY_RUN_MS,
        settled_entries_max=SETTLED_ENTRIES_MAX,
        over_retention_ms=LONGER_THAN_ANY_RUN_MS,
        awaiting_retention_ms=LONGER_THAN_ANY_RUN_MS,
    )
    return judge(inputs, outputs, given.decoder(), config)


def contract_headers(record: Record) -> tuple[tuple[str, bytes | None], ...]:
    """Return the headers that the contract names, in its order."""
    known = [one for one in record.headers if one[0] in HEADERS]
    return tuple(sorted(known, key=lambda one: HEADERS.index(one[0])))


def _all_records(given: Given) -> Iterator[Record]:
    reader = topic_reader(given)
    reader.begin()
    end_offsets = reader.end_offsets()
    give_up_at = monotonic() + READ_SECONDS_MAX
    while not reader.has_read(end_offsets):
        yield from reader.poll(100, 5_000)
        if monotonic() > give_up_at:
            raise Stalled("the topics could not be read to their ends")
    reader.close()
