"""The auditor's process: follows the topics all day, and judges them when it is told to."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event

from reservation_worker.adapters.kafka.reader import TopicReader
from reservation_worker.audit.judge import judge
from reservation_worker.audit.topics import AuditConfig
from reservation_worker.audit.verdict import Verdict
from reservation_worker.contracts.decode import Decoder
from reservation_worker.contracts.records import Record
from reservation_worker.demo.tally import Report, Tallying, report_line
from reservation_worker.ports import BrokerUnavailable, Clock

REPORT_INTERVAL_MS = 400
READ_TIMEOUT_MS = 60_000
"""So long may reading to the end take after the auditor was told to judge."""
RECORDS_PER_POLL_MAX = 5_000
POLL_TIMEOUT_MS = 100
EXPIRY_NOTICE_MS = 500
"""A deadline counts as overdue so long after its grace: it is being worked on."""


@dataclass(frozen=True, slots=True)
class AuditorParts:
    """What the auditor's process is built from."""

    reader: TopicReader
    decoder: Decoder
    config_at: Callable[[int], AuditConfig]
    """What to judge by, if the topics had been read at an instant."""
    clock: Clock


def follow_and_judge(
    parts: AuditorParts, told_to_judge: Event, write: Callable[[bytes], None]
) -> Verdict:
    """Report how far the day is until told to judge; then read to the end and report the verdict.

    Raises:
        BrokerUnavailable: the topics cannot be read to their end.
    """
    config = parts.config_at(parts.clock.now_ms())
    tallying = Tallying(config.output_topics, config.dead_letter_topic)
    records: list[Record] = []
    reported_at_ms = parts.clock.monotonic_ms()
    parts.reader.begin()
    while not told_to_judge.is_set():
        read = parts.reader.poll(POLL_TIMEOUT_MS, RECORDS_PER_POLL_MAX)
        tallying.take(read)
        records += read
        if parts.clock.monotonic_ms() - reported_at_ms >= REPORT_INTERVAL_MS:
            reported_at_ms = parts.clock.monotonic_ms()
            overdue_at_ms = parts.clock.now_ms() - config.grace_ms - EXPIRY_NOTICE_MS
            write(report_line(Report(tally=tallying.tally(overdue_at_ms))))
    records += _read_to_end(parts)
    verdict = _judge(parts, records)
    write(report_line(Report(verdict=verdict)))
    return verdict


def _read_to_end(parts: AuditorParts) -> list[Record]:
    end_offsets = parts.reader.end_offsets()
    records: list[Record] = []
    give_up_at_ms = parts.clock.monotonic_ms() + READ_TIMEOUT_MS
    while not parts.reader.has_read(end_offsets):
        records += parts.reader.poll(POLL_TIMEOUT_MS, RECORDS_PER_POLL_MAX)
        if parts.clock.monotonic_ms() > give_up_at_ms:
            raise BrokerUnavailable("The topics could not be read to their end.")
    return records


def _judge(parts: AuditorParts, records: list[Record]) -> Verdict:
    config = parts.config_at(parts.clock.now_ms())
    outputs = {*config.output_topics, config.dead_letter_topic}
    return judge(
        (record for record in records if record.topic not in outputs),
        (record for record in records if record.topic in outputs),
        parts.decoder,
        config,
    )
