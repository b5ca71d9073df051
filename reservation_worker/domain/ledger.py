"""The specification: what each fact does to reservations and stocks.

Pure: ``apply(ledger, fact) -> (ledger, outcome)``. Everything else that decides (the Lua scripts
that run inside Redis) is held against this module, fact by fact. Read it together with
``docs/lifecycle.md``; `draft` has the moves of single units.
"""

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import assert_never

from reservation_worker.domain.canceling import take_cancellation
from reservation_worker.domain.draft import Draft, DraftAcknowledgement
from reservation_worker.domain.facts import (
    REMEMBERED_PER_RESERVATION_MAX,
    BalanceCounted,
    Cause,
    DeadlineReached,
    Fact,
    OrderCanceled,
    OrderCompleted,
    OrderInvoiced,
    PaymentApproved,
    ReservationSettlementDue,
    RetentionReached,
    Settlement,
    StockSettlementDue,
    reservation_id_of,
    stock_id_of,
)
from reservation_worker.domain.invoicing import take_effect, take_invoice
from reservation_worker.domain.keys import ReservationId, StockId, join_key
from reservation_worker.domain.outcome import (
    AcknowledgedLine,
    Conflict,
    OutcomeKind,
    Reason,
    ReservationChanged,
    ReservationRemoved,
    UnitsAcknowledged,
)
from reservation_worker.domain.reservation import (
    OVER,
    REMOVABLE,
    KeptCancellation,
    KeptInvoice,
    Remembered,
    Reservation,
)
from reservation_worker.domain.settlement import counted, settled_further
from reservation_worker.domain.stock import Stock
from reservation_worker.domain.values import value_class

SETTLED_ENTRIES_MAX = 100
"""Acknowledged entries that one step settles at most; a balance that covers more continues."""


@value_class(frozen=True, slots=True)
class Outcome:
    """What one fact did, and what it leaves to be done."""

    kind: OutcomeKind
    change: ReservationChanged | None = None
    acknowledgements: tuple[UnitsAcknowledged, ...] = ()
    stocks: tuple[Stock, ...] = ()
    """As they are now; only those that changed."""
    settlements: tuple[Settlement, ...] = ()
    """Follow-up facts that a balance leaves to be stated."""
    removal: ReservationRemoved | None = None


REPEAT = Outcome(OutcomeKind.REPEAT)
OUT_OF_BOUNDS = Outcome(OutcomeKind.OUT_OF_BOUNDS)


@value_class(frozen=True, slots=True)
class Ledger:
    """All reservations and stocks, and the settlements that wait."""

    stocks: Mapping[StockId, Stock] = field(default_factory=lambda: MappingProxyType({}))
    reservations: Mapping[ReservationId, Reservation] = field(
        default_factory=lambda: MappingProxyType({})
    )
    settlements: tuple[Settlement, ...] = ()


def apply(
    ledger: Ledger, fact: Fact, *, settled_entries_max: int = SETTLED_ENTRIES_MAX
) -> tuple[Ledger, Outcome]:
    """Return the ledger after a fact, and what the fact did."""
    outcome = decide(
        ledger.stocks, ledger.reservations, fact, settled_entries_max=settled_entries_max
    )
    waiting = [one for one in ledger.settlements if one != fact]
    waiting += [one for one in outcome.settlements if one not in waiting]
    reservations = ledger.reservations
    if outcome.change is not None:
        after = outcome.change.reservation
        reservations = {**reservations, after.id: after}
    if outcome.removal is not None:
        removed = outcome.removal.reservation_id
        reservations = {key: one for key, one in reservations.items() if key != removed}
    stocks = {**ledger.stocks, **{stock.id: stock for stock in outcome.stocks}}
    return Ledger(stocks, reservations, tuple(waiting)), outcome


def decide(
    stocks: Mapping[StockId, Stock],
    reservations: Mapping[ReservationId, Reservation],
    fact: Fact,
    *,
    settled_entries_max: int = SETTLED_ENTRIES_MAX,
) -> Outcome:
    """Return what a fact does; nothing is changed here. Reads only what the fact concerns."""
    if isinstance(fact, BalanceCounted | StockSettlementDue):
        stock_id = stock_id_of(fact)
        stock = stocks.get(stock_id) or Stock(id=stock_id)
        if isinstance(fact, BalanceCounted):
            return _balance_counted(stock, fact, settled_entries_max)
        return _stock_settlement_due(stock, settled_entries_max)
    reservation_id = reservation_id_of(fact)
    reservation = reservations.get(reservation_id) or Reservation(id=reservation_id)
    if isinstance(fact, RetentionReached):
        return _retention_reached(reservation, fact)
    draft = Draft(reservation, stocks)
    match fact:
        case OrderCompleted():
            return _order_completed(draft, fact)
        case PaymentApproved():
            return _payment_approved(draft, fact)
        case OrderInvoiced():
            return _order_invoiced(draft, fact)
        case OrderCanceled():
            return _order_canceled(draft, fact)
        case DeadlineReached():
            return _deadline_reached(draft, fact)
        case ReservationSettlementDue():
            return _reservation_settlement_due(draft, fact)
        case _:
            assert_never(fact)


# ---- order completed


def _order_completed(draft: Draft, fact: OrderCompleted) -> Outcome:
    if draft.is_known:
        return _order_again(draft, fact)
    draft.completed_at_ms, draft.order_digest = fact.completed_at_ms, fact.digest
    draft.expires_at_ms = fact.expires_at_ms
    draft.open_order(fact.lines)
    early, draft.kept = draft.kept, ()

    trial = draft.trial()
    trial.hold_open_units()
    _take_early_facts(trial, early)
    shortages = trial.shortages_since(draft)
    if shortages:
        draft.shortages = shortages
        _take_early_facts(draft, early)
    else:
        draft.adopt(trial)
    return _changed(draft, _Stated(Reason.ORDER_COMPLETED, fact.completed_at_ms, fact.cause))


def _order_again(draft: Draft, fact: OrderCompleted) -> Outcome:
    """While the order lives, its lines say whether it is the same; then ``completed_at`` as well.

    Senders stamp their deliveries anew, and shops give a number out again that is done with.
    """
    is_over = draft.before.status in OVER
    if fact.digest == draft.order_digest:
        if not is_over or fact.completed_at_ms == draft.completed_at_ms:
            return REPEAT
    elif not is_over:
        told = join_key(Conflict.ORDER_DIFFERS, "", fact.digest)
        if any(key.startswith(told) for key in draft.remembered_conflicts):
            return REPEAT
    return _contradicted(
        draft,
        Conflict.ORDER_DIFFERS,
        ("", fact.digest, str(fact.completed_at_ms)),
        _Stated(Reason.ORDER_COMPLETED, fact.completed_at_ms, fact.cause),
    )


def _take_early_facts(draft: Draft, early: tuple[KeptInvoice | KeptCancellation, ...]) -> None:
    """Do what came before the order, in the order in which it came."""
    for one in early:
        match one:
            case KeptInvoice():
                take_invoice(draft, one)
            case KeptCancellation():
                take_cancellation(draft, one)
            case _:
                assert_never(one)


# ---- payment approved


def _payment_approved(draft: Draft, fact: PaymentApproved) -> Outcome:
    stated = _Stated(Reason.PAYMENT_APPROVED, fact.approved_at_ms, fact.cause)
    if draft.is_paid:
        if fact.payment_id is None or fact.payment_id == draft.payment_id:
            return REPEAT
        if draft.payment_id is None:
            draft.payment_id = fact.payment_id
            return _changed(draft, stated)
        return _contradicted(draft, Conflict.PAID_TWICE, (fact.payment_id, ""), stated)
    draft.confirm_held_units(fact.approved_at_ms, fact.payment_id)
    if fact.reacquire and draft.has_open_units:
        _hold_again(draft)
    return _changed(draft, stated)


def _hold_again(draft: Draft) -> None:
    """Hold every expired and denied unit again, or none; kept invoices then take effect."""
    trial = draft.trial()
    trial.hold_open_units()
    for one in trial.kept:
        assert isinstance(one, KeptInvoice), "a cancellation is kept only until the order comes"
        take_effect(trial, one)
    shortages = trial.shortages_since(draft)
    if shortages:
        draft.shortages = shortages
    else:
        draft.adopt(trial)


# ---- order invoiced


def _order_invoiced(draft: Draft, fact: OrderInvoiced) -> Outcome:
    stated = _Stated(Reason.ORDER_INVOICED, fact.invoiced_at_ms, fact.cause)
    seen = _seen(draft.invoices, fact.invoice_id)
    if seen is not None:
        if fact.invoice_id is None or seen.digest == fact.digest:
            return REPEAT
        return _contradicted(draft, Conflict.ID_REUSED, (fact.invoice_id, fact.digest), stated)
    if len(draft.invoices) >= REMEMBERED_PER_RESERVATION_MAX:
        return OUT_OF_BOUNDS
    draft.remember_invoice(fact.invoice_id, fact.digest)
    invoice = KeptInvoice(fact.invoice_id, fact.invoiced_at_ms, fact.compared_at_ms, fact.lines)
    if draft.is_known:
        take_invoice(draft, invoice)
    else:
        draft.kept = (*draft.kept, invoice)
    return _changed(draft, stated)


# ---- order canceled


def _order_canceled(draft: Draft, fact: OrderCanceled) -> Outcome:
    stated = _Stated(Reason.ORDER_CANCELED, fact.canceled_at_ms, fact.cause)
    seen = _seen(draft.cancellations, fact.cancellation_id)
    if seen is not None:
        if fact.cancellation_id is None or seen.digest == fact.digest:
            return REPEAT
        return _contradicted(draft, Conflict.ID_REUSED, (fact.cancellation_id, fact.digest), stated)
    if len(draft.cancellations) >= REMEMBERED_PER_RESERVATION_MAX:
        return OUT_OF_BOUNDS
    draft.remember_cancellation(fact.cancellation_id, fact.digest)
    cancellation = KeptCancellation(fact.cancellation_id, fact.lines)
    if draft.is_known:
        take_cancellation(draft, cancellation)
    else:
        draft.kept = (*draft.kept, cancellation)
    return _changed(draft, stated)


# ---- time, and what a balance leaves to do


def _deadline_reached(draft: Draft, fact: DeadlineReached) -> Outcome:
    if draft.before.expires_at_ms != fact.expires_at_ms:
        return REPEAT
    draft.expire_held_units()
    return _changed(draft, _Stated(Reason.DEADLINE_REACHED, fact.expires_at_ms, None))


def _retention_reached(reservation: Reservation, fact: RetentionReached) -> Outcome:
    """Forget the reservation if it is still what it was when its retention ran out."""
    is_known = 0 < reservation.version == fact.version
    if not is_known or reservation.status not in REMOVABLE:
        return REPEAT
    removal = ReservationRemoved(
        reservation.id, reservation.status, fact.reached_at_ms, reservation.early_facts
    )
    return Outcome(OutcomeKind.CHANGED, removal=removal)


def _reservation_settlement_due(draft: Draft, fact: ReservationSettlementDue) -> Outcome:
    stock = draft.stock(stock_id_of(fact))
    if stock.counted_at_ms is None or not draft.settle_released_units(stock):
        return REPEAT
    return _changed(draft, _Stated(Reason.BALANCE_COUNTED, stock.counted_at_ms, stock.counted_by))


def _balance_counted(stock: Stock, fact: BalanceCounted, settled_entries_max: int) -> Outcome:
    after = counted(stock, fact)
    if isinstance(after, OutcomeKind):
        return Outcome(after)
    if after.counted_at_ms == stock.counted_at_ms:
        return Outcome(OutcomeKind.CHANGED, stocks=(after,))
    after, settlements = settled_further(after, settled_entries_max)
    return Outcome(OutcomeKind.CHANGED, stocks=(after,), settlements=settlements)


def _stock_settlement_due(stock: Stock, settled_entries_max: int) -> Outcome:
    if stock.settled_through is None:
        return REPEAT
    after, settlements = settled_further(stock, settled_entries_max)
    return Outcome(OutcomeKind.CHANGED, stocks=(after,), settlements=settlements)


# ---- what all of them share


@value_class(frozen=True, slots=True)
class _Stated:
    """What a change says of the fact that made it."""

    reason: Reason
    occurred_at_ms: int
    cause: Cause | None


def _seen(remembered: tuple[Remembered, ...], fact_id: str | None) -> Remembered | None:
    return next((one for one in remembered if one.id == fact_id), None)


def _contradicted(
    draft: Draft, conflict: Conflict, contents: tuple[str, ...], stated: _Stated
) -> Outcome:
    """Publish a contradiction once: it moves no units, and the same again is a repeat."""
    key = join_key(conflict, *contents)
    if key in draft.remembered_conflicts:
        return REPEAT
    if len(draft.remembered_conflicts) >= REMEMBERED_PER_RESERVATION_MAX:
        return OUT_OF_BOUNDS
    draft.remembered_conflicts = (*draft.remembered_conflicts, key)
    draft.conflicts.add(conflict)
    return _changed(draft, stated)


def _changed(draft: Draft, stated: _Stated) -> Outcome:
    after = draft.finished(stated.cause)
    conflicts = tuple(kind for kind in Conflict if kind in draft.conflicts)
    change = ReservationChanged(
        reservation=after,
        previous_status=draft.before.status if draft.before.version else None,
        reason=stated.reason,
        occurred_at_ms=stated.occurred_at_ms,
        shortages=draft.shortages,
        conflicts=conflicts,
        cause=stated.cause,
    )
    kind = OutcomeKind.CHANGED
    if conflicts:
        kind = OutcomeKind.CONFLICT
    elif draft.shortages:
        kind = OutcomeKind.REFUSED
    return Outcome(
        kind,
        change,
        tuple(_acknowledgement(after, done, stated.cause) for done in draft.acknowledgements),
        draft.changed_stocks(),
    )


def _acknowledgement(
    after: Reservation, done: DraftAcknowledgement, cause: Cause | None
) -> UnitsAcknowledged:
    return UnitsAcknowledged(
        account=after.id.account,
        order_id=after.id.order_id,
        version=after.version,
        acknowledged_at_ms=done.invoice.invoiced_at_ms,
        invoice_id=done.invoice.invoice_id,
        lines=_acknowledged_lines(after, done.units),
        already_counted=_acknowledged_lines(after, done.already_counted),
        cause=cause,
    )


def _acknowledged_lines(
    after: Reservation, units: Mapping[int, int]
) -> tuple[AcknowledgedLine, ...]:
    return tuple(
        AcknowledgedLine(line.line_id, line.warehouse_id, line.sku, count)
        for index, count in sorted(units.items())
        for line in (after.lines[index],)
    )
