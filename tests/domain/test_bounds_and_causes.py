"""What stories cannot tell: how much is remembered, and whom a change names as its cause."""

import pytest

from reservation_worker.domain.facts import (
    REMEMBERED_PER_RESERVATION_MAX,
    Fact,
    OrderCompleted,
    ReservationSettlementDue,
)
from reservation_worker.domain.ledger import Ledger, Outcome
from reservation_worker.domain.outcome import OutcomeKind, Reason
from tests.domain.laws import apply_lawfully
from tests.domain.shop import (
    ACCOUNT,
    ORDER,
    balance,
    cancellation,
    deadline,
    invoice,
    line,
    order,
    payment,
    reservation_id,
)

LARGE_ORDER = (balance("shirt", 1_000), order(line("1", 1_000, "shirt")))


@pytest.mark.parametrize("is_early", [False, True])
def test_so_many_invoices_are_remembered_and_no_more(*, is_early: bool) -> None:
    """Memory per reservation is bounded; what does not fit changes nothing at all."""
    opening = () if is_early else LARGE_ORDER
    invoices = [
        invoice(f"NF{number}", ("1", 1)) for number in range(REMEMBERED_PER_RESERVATION_MAX)
    ]
    _assert_full((*opening, *invoices), invoice("one more", ("1", 1)), invoices[0])


@pytest.mark.parametrize("is_early", [False, True])
def test_so_many_cancellations_are_remembered_and_no_more(*, is_early: bool) -> None:
    """As for invoices, and counted apart from them."""
    opening = () if is_early else LARGE_ORDER
    cancellations = [
        cancellation(f"C{number}", ("1", 1)) for number in range(REMEMBERED_PER_RESERVATION_MAX)
    ]
    _assert_full(
        (*opening, invoice("NF1", ("1", 1)), *cancellations),
        cancellation("one more", ("1", 1)),
        cancellations[-1],
    )


def test_so_many_conflicts_are_remembered_and_no_more() -> None:
    """A sender that contradicts itself for ever must not fill the memory."""
    payments = [payment(f"p{number}") for number in range(REMEMBERED_PER_RESERVATION_MAX + 1)]
    _assert_full((*LARGE_ORDER, *payments), payment("one more"), payments[-1])


def test_a_full_memory_of_invoices_still_takes_a_payment_and_a_cancellation() -> None:
    """Each kind of fact has a bound of its own: the order can be brought to its end."""
    invoices = [
        invoice(f"NF{number}", ("1", 1)) for number in range(REMEMBERED_PER_RESERVATION_MAX)
    ]
    ledger, _ = apply_all((*LARGE_ORDER, *invoices, payment()))
    ledger, outcome = apply_lawfully(ledger, cancellation())
    assert outcome.kind is OutcomeKind.CHANGED
    assert ledger.reservations[reservation_id()].lines[0].canceled == 800


@pytest.mark.parametrize(
    ("before", "fact", "reason", "occurred_at_ms"),
    [
        ((), order(line("1", 1, "shirt"), completed_at_ms=11), Reason.ORDER_COMPLETED, 11),
        ((), payment(approved_at_ms=12), Reason.PAYMENT_APPROVED, 12),
        ((), invoice(invoiced_at_ms=13), Reason.ORDER_INVOICED, 13),
        ((), cancellation(canceled_at_ms=14), Reason.ORDER_CANCELED, 14),
    ],
)
def test_a_change_names_the_record_and_the_time_of_its_fact(
    before: tuple[Fact, ...], fact: OrderCompleted, reason: Reason, occurred_at_ms: int
) -> None:
    """Whoever asks why a reservation changed is led to the record that changed it."""
    _, outcome = apply_all((*before, fact))
    assert outcome.change is not None
    assert (fact.cause, reason, occurred_at_ms) == (
        outcome.change.cause,
        outcome.change.reason,
        outcome.change.occurred_at_ms,
    )


def test_a_deadline_has_no_record_and_occurs_at_its_own_time() -> None:
    """Time caused it; the moment at which a worker noticed must not appear in the event."""
    _, outcome = apply_all(
        (balance("shirt", 5), order(line("1", 1, "shirt"), expires_at_ms=77), deadline(77))
    )
    assert outcome.change is not None
    assert (None, Reason.DEADLINE_REACHED, 77) == (
        outcome.change.cause,
        outcome.change.reason,
        outcome.change.occurred_at_ms,
    )


def test_a_settlement_names_the_balance_that_called_for_it() -> None:
    """The step that settles is the worker's own; what caused it is the count."""
    count = balance("shirt", 4, counted_at_ms=60)
    facts = (balance("shirt", 5), order(line("1", 1, "shirt")), invoice(), count)
    settlement = ReservationSettlementDue(ACCOUNT, "main", "shirt", ORDER)
    ledger, _ = apply_all(facts)
    assert ledger.settlements == (settlement,)
    _, outcome = apply_lawfully(ledger, settlement)
    assert outcome.change is not None
    assert (count.cause, Reason.BALANCE_COUNTED, 60) == (
        outcome.change.cause,
        outcome.change.reason,
        outcome.change.occurred_at_ms,
    )


def test_an_acknowledgement_bears_its_invoice_date_not_that_of_the_change() -> None:
    """The ERP books units on the invoice's date, also where the order came later."""
    _, outcome = apply_all(
        (
            balance("shirt", 5),
            invoice("NF2", ("1", 1), invoiced_at_ms=52),
            invoice("NF1", ("1", 1), invoiced_at_ms=51),
            order(line("1", 2, "shirt")),
        )
    )
    expected = [("NF2", 52), ("NF1", 51)]
    assert expected == [
        (event.invoice_id, event.acknowledged_at_ms) for event in outcome.acknowledgements
    ]


def _assert_full(before: tuple[Fact, ...], one_more: Fact, first: Fact) -> None:
    ledger, outcome = apply_all(before)
    assert outcome.kind in {OutcomeKind.CHANGED, OutcomeKind.CONFLICT}
    after, outcome = apply_lawfully(ledger, one_more)
    assert outcome.kind is OutcomeKind.OUT_OF_BOUNDS
    assert ledger == after
    _, outcome = apply_lawfully(ledger, first)
    assert outcome.kind is OutcomeKind.REPEAT


def apply_all(facts: tuple[Fact, ...]) -> tuple[Ledger, Outcome]:
    """Apply facts to an empty ledger; return it, and what the last one did."""
    ledger = Ledger()
    outcome = Outcome(OutcomeKind.REPEAT)
    for fact in facts:
        ledger, outcome = apply_lawfully(ledger, fact)
    return ledger, outcome
