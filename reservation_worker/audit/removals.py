"""G2: nothing leaves before its retention, and an orphan leaves with a dead letter.

When a change was applied the topics do not say: not before the record that caused it was written,
or before the deadline that made it. A retention is counted from there.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from reservation_worker.audit.topics import AuditConfig, Input, Published, Removal, Step
from reservation_worker.audit.verdict import Findings, Law
from reservation_worker.contracts.dead_letters import CODE_HEADER, GROUP_HEADER
from reservation_worker.contracts.outputs import ReservationChangedBody
from reservation_worker.contracts.records import Record, RejectionCode
from reservation_worker.contracts.removed import orphan_record
from reservation_worker.contracts.restore import restore_reservation
from reservation_worker.domain.facts import Coordinates
from reservation_worker.domain.keys import ReservationId
from reservation_worker.domain.outcome import ReservationRemoved
from reservation_worker.domain.reservation import Status

_ORPHANED: Final = RejectionCode.ORPHANED.value.encode()
Letter = tuple[bytes | None, bytes | None, tuple[tuple[str, bytes | None], ...]]
"""Key, value and headers, without the group that whoever published it has added."""


def is_orphan(letter: Record) -> bool:
    """Tell whether a dead letter stands for facts whose order never came."""
    return (CODE_HEADER, _ORPHANED) in letter.headers


def judge_removals(
    steps: Iterable[Step],
    inputs: Mapping[Coordinates, Input],
    orphans: Iterable[Record],
    config: AuditConfig,
    findings: Findings,
) -> None:
    """Hold each tombstone against the last change before it, and against the dead letters."""
    letters = [_letter(one) for one in orphans]
    latest: dict[ReservationId, ReservationChangedBody] = {}
    for step in steps:
        for published in step.events:
            body = published.body
            if isinstance(body, ReservationChangedBody):
                latest[ReservationId(body.account, body.order_id)] = body
            elif isinstance(body, Removal):
                last = latest.pop(ReservationId(body.account, body.order_id), None)
                if last is not None:
                    _judge_time(published, body, last, inputs, config, findings)
                    _judge_orphan(published, body, last, letters, findings)
    for key, _, _ in letters:
        findings.violate(
            Law.ONE_OUTCOME, f"a dead letter says that {key!r} was orphaned, which was not removed"
        )


def _judge_time(
    published: Published,
    removal: Removal,
    last: ReservationChangedBody,
    inputs: Mapping[Coordinates, Input],
    config: AuditConfig,
    findings: Findings,
) -> None:
    is_awaiting = last.status is Status.AWAITING
    retention_ms = config.awaiting_retention_ms if is_awaiting else config.over_retention_ms
    early_ms = max(
        _changed_after_ms(last, inputs) + retention_ms - removal.removed_at_ms,
        removal.removed_at_ms - published.record.timestamp_ms,
    )
    findings.check(
        Law.ONE_OUTCOME,
        "removals not before their retention",
        holds=early_ms <= 0,
        violation=f"event {published.event_id}: {published.subject.key} was removed {early_ms} ms "
        "before its retention",
    )


def _changed_after_ms(last: ReservationChangedBody, inputs: Mapping[Coordinates, Input]) -> int:
    if last.cause is None:
        return last.occurred_at_ms
    found = inputs.get((last.cause.topic, last.cause.partition, last.cause.offset))
    return 0 if found is None else found.record.timestamp_ms


def _judge_orphan(
    published: Published,
    removal: Removal,
    last: ReservationChangedBody,
    letters: list[Letter],
    findings: Findings,
) -> None:
    if last.status is not Status.AWAITING:
        return
    reservation = restore_reservation(last)
    wanted = orphan_record(
        ReservationRemoved(
            reservation.id, last.status, removal.removed_at_ms, reservation.early_facts
        )
    )
    letter = (wanted.key, wanted.value, wanted.headers)
    is_there = letter in letters
    if is_there:
        letters.remove(letter)
    findings.check(
        Law.ONE_OUTCOME,
        "orphans with their dead letter",
        holds=is_there,
        violation=f"event {published.event_id}: {published.subject.key} was removed before its "
        "order came, but no dead letter names its facts",
    )


def _letter(record: Record) -> Letter:
    headers = tuple(one for one in record.headers if one[0] != GROUP_HEADER)
    return (record.key, record.value, headers)
