"""What is over, and what waits in vain, leaves after its retention: the ledger's own words."""

from itertools import permutations

import pytest

from reservation_worker.domain.facts import Fact, InputFact, RetentionReached
from reservation_worker.domain.ledger import Ledger, apply
from reservation_worker.domain.outcome import OutcomeKind, RemovalRemark, remark_on_removal
from reservation_worker.domain.reservation import OVER, REMOVABLE, Status
from tests.domain.laws import apply_lawfully, drained
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
    stock_id,
)

STOCK = balance("shirt", 10)
THE_ORDER = order(line("1", 3, "shirt"))
ENDINGS: dict[Status, tuple[Fact, ...]] = {
    Status.SETTLED: (STOCK, THE_ORDER, invoice(), balance("shirt", 7, counted_at_ms=60)),
    Status.CANCELED: (STOCK, THE_ORDER, cancellation()),
    Status.EXPIRED: (STOCK, THE_ORDER, deadline()),
    Status.DENIED: (THE_ORDER,),
    Status.AWAITING: (payment(), invoice()),
    Status.AUTHORIZED: (STOCK, THE_ORDER),
    Status.CONFIRMED: (STOCK, THE_ORDER, payment()),
    Status.ACKNOWLEDGED: (STOCK, THE_ORDER, invoice()),
}
FACTS_OF_ONE_ORDER: tuple[InputFact, ...] = (
    THE_ORDER,
    payment(),
    invoice("NF1", ("1", 2)),
    cancellation("C1", ("1", 1)),
)


def kept(version: int) -> RetentionReached:
    """State that the order has been kept long enough."""
    return RetentionReached(ACCOUNT, ORDER, version, 9_000)


def ledger_of(facts: tuple[Fact, ...]) -> Ledger:
    """Apply facts, and what they leave to be stated."""
    ledger = Ledger()
    for fact in facts:
        ledger, _ = apply_lawfully(ledger, fact)
    return drained(ledger)


@pytest.mark.parametrize("status", ENDINGS)
def test_only_what_is_over_or_waits_for_its_order_leaves(status: Status) -> None:
    """What holds units, or has handed out some that are still counted, is needed."""
    ledger = ledger_of(ENDINGS[status])
    before = ledger.reservations[reservation_id()]
    assert status is before.status
    after, outcome = apply_lawfully(ledger, kept(before.version))
    if status not in REMOVABLE:
        assert (OutcomeKind.REPEAT, ledger) == (outcome.kind, after)
        return
    assert outcome.removal is not None
    assert (status, 9_000) == (outcome.removal.status, outcome.removal.removed_at_ms)
    assert {} == dict(after.reservations)
    assert ledger.stocks == after.stocks


def test_every_status_is_tried() -> None:
    """Or the test above would be silent about a new one."""
    assert set(Status) == set(ENDINGS)
    assert OVER < REMOVABLE


def test_what_has_changed_since_the_look_stays() -> None:
    """A late payment has come in between: the fact is outdated."""
    ledger = ledger_of(ENDINGS[Status.EXPIRED])
    outdated = kept(ledger.reservations[reservation_id()].version)
    ledger, _ = apply_lawfully(ledger, cancellation())
    assert Status.CANCELED is ledger.reservations[reservation_id()].status
    after, outcome = apply_lawfully(ledger, outdated)
    assert (OutcomeKind.REPEAT, ledger) == (outcome.kind, after)


def test_what_is_gone_cannot_leave_again() -> None:
    """A fact that is stated twice is a repeat, also of something that never was."""
    ledger = ledger_of(ENDINGS[Status.DENIED])
    ledger, _ = apply_lawfully(ledger, kept(1))
    for version in (0, 1):
        after, outcome = apply_lawfully(ledger, kept(version))
        assert (OutcomeKind.REPEAT, ledger) == (outcome.kind, after)


@pytest.mark.parametrize("status", sorted(REMOVABLE))
def test_an_order_that_comes_again_begins_at_version_1(status: Status) -> None:
    """It is forgotten: what it was before, and its early facts, count for nothing."""
    ledger = ledger_of(ENDINGS[status])
    ledger, _ = apply_lawfully(ledger, kept(ledger.reservations[reservation_id()].version))
    ledger, outcome = apply_lawfully(ledger, order(line("1", 2, "shirt")))
    assert outcome.change is not None
    assert (1, None) == (outcome.change.reservation.version, outcome.change.previous_status)
    assert outcome.change.reservation.paid_at_ms is None


def test_an_orphan_names_every_fact_whose_order_never_came() -> None:
    """Conflicts among them as well: each was a record that somebody may look for."""
    facts: tuple[InputFact, ...] = (payment("p1"), payment("p2", approved_at_ms=21), invoice())
    ledger = ledger_of((*facts, facts[0]))
    _, outcome = apply_lawfully(ledger, kept(3))
    assert outcome.removal is not None
    assert tuple(fact.cause.coordinates for fact in facts) == outcome.removal.early_facts
    assert RemovalRemark(Status.AWAITING, "payment-approved") == remark_on_removal(outcome.removal)


def test_early_facts_are_named_no_longer_when_the_order_has_come() -> None:
    """They have taken effect, and ordinary reservations carry nothing for it."""
    ledger = ledger_of((STOCK, payment(), THE_ORDER))
    assert () == ledger.reservations[reservation_id()].early_facts


def test_every_sequence_of_an_orders_facts_may_end_with_its_removal() -> None:
    """Whatever came in whatever order: it leaves if it is over, and what it held is nobody's."""
    removed = 0
    for length in range(1, len(FACTS_OF_ONE_ORDER) + 1):
        for facts in permutations(FACTS_OF_ONE_ORDER, length):
            for ending in ((), (deadline(),), (balance("shirt", 8, counted_at_ms=60),)):
                ledger = ledger_of((STOCK, *facts, *ending))
                reservation = ledger.reservations[reservation_id()]
                after, outcome = apply_lawfully(ledger, kept(reservation.version))
                leaves = reservation.status in REMOVABLE
                assert leaves is (outcome.removal is not None), facts
                assert leaves is (reservation.id not in after.reservations), facts
                if not leaves:
                    continue
                removed += 1
                stock = after.stocks[stock_id("shirt")]
                assert (0, 0, 0) == (stock.authorized, stock.confirmed, stock.acknowledged)
                again, _ = apply(after, THE_ORDER)
                assert 1 == again.reservations[reservation.id].version
    assert removed > 0
