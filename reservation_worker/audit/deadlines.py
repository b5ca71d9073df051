"""G5 and G6: a payment in time always wins, and a late one never disappears."""

from collections import defaultdict
from collections.abc import Mapping

from reservation_worker.audit.replayed import Replayed
from reservation_worker.audit.topics import AuditConfig, Input, Published, Step
from reservation_worker.audit.verdict import Findings, Law
from reservation_worker.contracts.outputs import ReservationChangedBody
from reservation_worker.domain.facts import Coordinates, PaymentApproved, reservation_id_of
from reservation_worker.domain.keys import ReservationId
from reservation_worker.domain.outcome import Reason
from reservation_worker.domain.reservation import Reservation, Status

PaymentTimes = Mapping[ReservationId, list[tuple[int, str]]]
"""Of each order: when payments of it were appended to their topic, and their records' names."""


def judge_deadlines(
    steps: list[Step],
    inputs: Mapping[Coordinates, Input],
    replayed: Replayed,
    config: AuditConfig,
    findings: Findings,
) -> None:
    """Hold every expiry against the payments that stood in their topic before the deadline.

    A payment is in time if its record's own timestamp is not after ``expires_at``: the grace
    period leaves room for the way to the broker.
    """
    payments = {
        reservation_id: times
        for reservation_id, times in _payment_times(inputs).items()
        # Which life of an order that was removed they belong to, the topics do not say.
        if reservation_id not in replayed.removed
    }
    deadlines: dict[ReservationId, int] = {}
    expired: set[ReservationId] = set()
    for step in steps:
        for published in step.events:
            body = published.body
            if not isinstance(body, ReservationChangedBody):
                continue
            reservation_id = ReservationId(body.account, body.order_id)
            if body.expires_at_ms is not None:
                deadlines[reservation_id] = body.expires_at_ms
            if body.reason is Reason.DEADLINE_REACHED:
                expired.add(reservation_id)
                _judge_expiry(published, body, payments.get(reservation_id, []), config, findings)
            _judge_refund(published, body, findings)
            if body.reason is Reason.PAYMENT_APPROVED:
                _judge_late_payment(published, body, findings)
    for reservation_id, expires_at_ms in deadlines.items():
        paid = payments.get(reservation_id, [])
        if reservation_id not in expired and any(at_ms <= expires_at_ms for at_ms, _ in paid):
            findings.count(Law.PAID_IN_TIME, "payments in time that won")
    for reservation in replayed.reservations.values():
        _judge_standing(reservation, config, findings)
        _judge_paid(reservation, payments.get(reservation.id, []), findings)


def _payment_times(inputs: Mapping[Coordinates, Input]) -> PaymentTimes:
    times: defaultdict[ReservationId, list[tuple[int, str]]] = defaultdict(list)
    for one in inputs.values():
        if isinstance(one.stated, PaymentApproved):
            times[reservation_id_of(one.stated)].append((one.record.timestamp_ms, one.name))
    return times


def _judge_expiry(
    published: Published,
    body: ReservationChangedBody,
    payments: list[tuple[int, str]],
    config: AuditConfig,
    findings: Findings,
) -> None:
    deadline_ms = body.occurred_at_ms
    in_time = [name for at_ms, name in payments if at_ms <= deadline_ms]
    findings.check(
        Law.PAID_IN_TIME,
        "expiries without a payment in time",
        holds=not in_time,
        violation=f"event {published.event_id}: {published.subject.key} was expired, but "
        f"{', '.join(in_time[:2])} paid it before its deadline",
    )
    early_ms = deadline_ms + config.grace_ms - published.record.timestamp_ms
    findings.check(
        Law.PAID_IN_TIME,
        "expiries not before deadline and grace",
        holds=early_ms <= 0,
        violation=f"event {published.event_id}: {published.subject.key} was expired "
        f"{early_ms} ms too early",
    )


def _judge_standing(reservation: Reservation, config: AuditConfig, findings: Findings) -> None:
    expires_at_ms = reservation.expires_at_ms
    if expires_at_ms is None:
        return
    overdue_ms = config.audited_at_ms - expires_at_ms - config.grace_ms
    findings.check(
        Law.PAID_IN_TIME,
        "unpaid reservations that still have time",
        holds=overdue_ms <= config.expiry_delay_max_ms,
        violation=f"{reservation.id.key} is unpaid and still held {overdue_ms} ms after its "
        "deadline and grace",
    )


def _judge_refund(published: Published, body: ReservationChangedBody, findings: Findings) -> None:
    has_units = any(line.held or line.acknowledged or line.settled for line in body.lines)
    known_and_paid = body.completed_at_ms is not None and body.paid_at_ms is not None
    if not known_and_paid:
        return
    findings.check(
        Law.PAID_LATE,
        "paid changes that say whether a refund is needed",
        holds=body.refund_needed is not has_units,
        violation=f"event {published.event_id}: {published.subject.key} is paid and "
        f"{'has' if has_units else 'has no'} units, but refund_needed is {body.refund_needed}",
    )


def _judge_late_payment(
    published: Published, body: ReservationChangedBody, findings: Findings
) -> None:
    if body.previous_status not in (Status.EXPIRED, Status.DENIED):
        return
    what = "late payments, refunded" if body.refund_needed else "late payments, held again"
    settled = body.status in (Status.CONFIRMED, Status.ACKNOWLEDGED, Status.SETTLED)
    findings.check(
        Law.PAID_LATE,
        what,
        holds=settled is not body.refund_needed,
        violation=f"event {published.event_id}: {published.subject.key} was paid late and is "
        f"{body.status} with refund_needed {body.refund_needed}",
    )


def _judge_paid(
    reservation: Reservation, payments: list[tuple[int, str]], findings: Findings
) -> None:
    if not payments:
        return
    findings.check(
        Law.PAID_LATE,
        "orders whose payment is not forgotten",
        holds=reservation.paid_at_ms is not None,
        violation=f"{payments[0][1]} paid {reservation.id.key}, which ends {reservation.status} "
        "and unpaid",
    )
