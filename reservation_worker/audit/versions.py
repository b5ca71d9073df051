"""G3: the versions of each reservation and of each stock follow each other without a gap."""

from reservation_worker.audit.topics import Published, Removal, Step
from reservation_worker.audit.verdict import Findings, Law
from reservation_worker.contracts.outputs import (
    AcknowledgedReservationBody,
    ReservationChangedBody,
    StockChangedBody,
)
from reservation_worker.domain.keys import ReservationId, StockId
from reservation_worker.domain.reservation import Status


def judge_versions(steps: list[Step], findings: Findings) -> None:
    """Read all events in order and hold each version against the one before it."""
    versions: dict[ReservationId | StockId, int] = {}
    statuses: dict[ReservationId | StockId, Status] = {}
    for step in steps:
        for published in step.events:
            body = published.body
            if isinstance(body, Removal):
                _judge_removal(published, versions, findings)
                statuses.pop(published.subject, None)
                continue
            if isinstance(body, AcknowledgedReservationBody):
                _judge_acknowledgement(published, body, versions, findings)
                continue
            _judge_version(published, body, versions, findings)
            if isinstance(body, ReservationChangedBody):
                _judge_status(published, body, statuses, findings)
    for subject, version in versions.items():
        kind = "reservations" if isinstance(subject, ReservationId) else "stocks"
        findings.count(Law.PUBLISHED_ONCE, f"{kind} whose newest version is the last", version > 0)


def _judge_removal(
    published: Published, versions: dict[ReservationId | StockId, int], findings: Findings
) -> None:
    """Behind a tombstone versions begin at 1 again."""
    findings.check(
        Law.PUBLISHED_ONCE,
        "tombstones of what was there",
        holds=versions.pop(published.subject, 0) > 0,
        violation=f"event {published.event_id}: {published.subject.key} is removed, "
        "but was not there, or not any more",
    )


def _judge_version(
    published: Published,
    body: ReservationChangedBody | StockChangedBody,
    versions: dict[ReservationId | StockId, int],
    findings: Findings,
) -> None:
    subject = published.subject
    before = versions.get(subject, 0)
    findings.check(
        Law.PUBLISHED_ONCE,
        "versions without a gap",
        holds=body.version == before + 1,
        violation=f"event {published.event_id}: {subject.key} has version {body.version} "
        f"after version {before}",
    )
    versions[subject] = body.version


def _judge_status(
    published: Published,
    body: ReservationChangedBody,
    statuses: dict[ReservationId | StockId, Status],
    findings: Findings,
) -> None:
    before = statuses.get(published.subject)
    findings.check(
        Law.PUBLISHED_ONCE,
        "changes that name the status before",
        holds=body.previous_status == before,
        violation=f"event {published.event_id}: {published.subject.key} was {before}, "
        f"not {body.previous_status}",
    )
    statuses[published.subject] = body.status


def _judge_acknowledgement(
    published: Published,
    body: AcknowledgedReservationBody,
    versions: dict[ReservationId | StockId, int],
    findings: Findings,
) -> None:
    current = versions.get(published.subject, 0)
    findings.check(
        Law.PUBLISHED_ONCE,
        "acknowledgements right after their change",
        holds=body.version == current,
        violation=f"event {published.event_id}: {published.subject.key} acknowledges units in "
        f"version {body.version}, but stands at version {current}",
    )
