"""Laws that hold in every sequence of facts: random days, and the same facts in random orders.

The examples are derived from the test itself (``derandomize``), so a failure repeats by running
the test again; hypothesis prints the smallest sequence that fails.
"""

from collections import Counter
from dataclasses import replace
from random import Random
from typing import assert_never

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from reservation_worker.domain.facts import (
    BalanceCounted,
    Cause,
    DeadlineReached,
    Fact,
    InputFact,
    OrderCanceled,
    OrderCompleted,
    OrderInvoiced,
    PaymentApproved,
    ReservationSettlementDue,
    RetentionReached,
    reservation_id_of,
)
from reservation_worker.domain.keys import ReservationId
from reservation_worker.domain.ledger import Ledger, Outcome, apply
from reservation_worker.domain.outcome import OutcomeKind, Reason
from reservation_worker.domain.reservation import Status
from tests.domain.facts_at_random import (
    ANYTHING,
    SKUS,
    WAREHOUSES,
    DeadlineDue,
    Happening,
    ReadAgain,
    RetentionOver,
    SettlementStated,
    SettlementUncalledFor,
    agreeing_facts,
    days,
)
from tests.domain.laws import UNCHANGING_KINDS, apply_lawfully, changed_reservations, drained
from tests.domain.shop import balance, deadline
from tests.domain.the_end import end_of, expected_end

SEARCH = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=150,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
DAYS = days()
DAYS_WITH_REMOVALS = days(ANYTHING)
DEAD_LETTERED_KINDS = frozenset({OutcomeKind.BALANCE_DIFFERS, OutcomeKind.OUT_OF_BOUNDS})


class Day:
    """A ledger on which happenings become facts, and what was published along the way."""

    def __init__(self, settled_entries_max: int) -> None:
        self.ledger = Ledger()
        self.read: list[InputFact] = []
        """What is in effect or answered. A dead letter is neither: it may be replayed later."""
        self.published: Counter[tuple[ReservationId, str]] = Counter()
        self.settled_by_balance: Counter[tuple[ReservationId, str]] = Counter()
        self._settled_entries_max = settled_entries_max

    def live(self, happening: Happening) -> None:
        """Let one thing happen, and hold it against the laws."""
        for fact in self._facts(happening):
            before = self.ledger
            self.ledger, outcome = apply_lawfully(
                before, fact, settled_entries_max=self._settled_entries_max
            )
            self._count(before, outcome)
            if outcome.removal is not None:
                self._forget(outcome.removal.reservation_id)
            if isinstance(happening, ReadAgain):
                assert outcome.kind in UNCHANGING_KINDS, (fact, outcome)
            if isinstance(happening, InputFact) and happening not in self.read:
                self._remember(happening, outcome.kind)
            if isinstance(happening, SettlementUncalledFor) and fact not in before.settlements:
                assert outcome.kind in UNCHANGING_KINDS, (fact, outcome)

    def end(self) -> None:
        """State every settlement that waits."""
        self.live_until_nothing_waits()
        drained(self.ledger)

    def live_until_nothing_waits(self) -> None:
        """State settlements, oldest first, until none waits."""
        for _ in range(1_000):
            if not self.ledger.settlements:
                return
            self.live(SettlementStated(0, is_twice=False))
        message = "settlements do not come to an end"
        raise AssertionError(message)

    def _facts(self, happening: Happening) -> tuple[Fact, ...]:
        match happening:
            case ReadAgain(choice):
                return (_read_elsewhere(self.read[choice % len(self.read)]),) if self.read else ()
            case DeadlineDue(account, order_id, is_stale):
                reservation = self.ledger.reservations.get(ReservationId(account, order_id))
                due_at_ms = reservation.expires_at_ms if reservation else None
                stale_at_ms = 1_000 if is_stale or due_at_ms is None else due_at_ms
                return (DeadlineReached(account, order_id, stale_at_ms),)
            case RetentionOver(account, order_id, is_outdated):
                reservation = self.ledger.reservations.get(ReservationId(account, order_id))
                version = reservation.version if reservation else 0
                return (RetentionReached(account, order_id, version + is_outdated, 1_000),)
            case SettlementStated(choice, is_twice):
                waiting = self.ledger.settlements
                if not waiting:
                    return ()
                one = waiting[choice % len(waiting)]
                return (one, one) if is_twice else (one,)
            case SettlementUncalledFor(account, warehouse_id, sku, order_id):
                return (ReservationSettlementDue(account, warehouse_id, sku, order_id),)
            case (
                OrderCompleted()
                | PaymentApproved()
                | OrderInvoiced()
                | OrderCanceled()
                | BalanceCounted()
            ):
                return (_once(self.read, happening),)
            case _:
                assert_never(happening)

    def _remember(self, fact: InputFact, kind: OutcomeKind) -> None:
        """A delivery of an order that was stamped anew is a repeat only as long as it lives."""
        is_stamped_anew = isinstance(fact, OrderCompleted) and kind is OutcomeKind.REPEAT
        if kind not in DEAD_LETTERED_KINDS and not is_stamped_anew:
            self.read.append(fact)

    def _forget(self, reservation_id: ReservationId) -> None:
        """Whatever is read of it from now on is new."""
        self.read = [
            fact
            for fact in self.read
            if isinstance(fact, BalanceCounted) or reservation_id_of(fact) != reservation_id
        ]
        for counter in (self.published, self.settled_by_balance):
            for key in [key for key in counter if key[0] == reservation_id]:
                del counter[key]

    def _count(self, before: Ledger, outcome: Outcome) -> None:
        for event in outcome.acknowledgements:
            for told in event.lines:
                key = (ReservationId(event.account, event.order_id), told.line_id)
                self.published[key] += told.quantity
        change = outcome.change
        if change is None or change.reason is not Reason.BALANCE_COUNTED:
            return
        earlier = before.reservations[change.reservation.id]
        for line, line_before in zip(change.reservation.lines, earlier.lines, strict=True):
            self.settled_by_balance[change.reservation.id, line.line_id] += (
                line.settled - line_before.settled
            )


@SEARCH
@given(DAYS_WITH_REMOVALS, st.sampled_from((1, 2, 100)))
def test_every_law_holds_after_every_fact_of_any_day(
    happenings: list[Happening], settled_entries_max: int
) -> None:
    """G1: whatever comes, in whatever order, every unit is in one place in stock and order."""
    day = Day(settled_entries_max)
    for happening in happenings:
        before = day.ledger
        day.live(happening)
        _assert_only_a_deadline_expires(before, day.ledger, happening)
        _assert_units_that_left_stay_out(before, day.ledger)
        _assert_one_account_was_touched(before, day.ledger)
        _assert_acknowledgements_add_up(day)
    day.end()


@SEARCH
@given(DAYS, st.sampled_from((1, 100)))
def test_everything_read_again_after_any_day_changes_nothing(
    happenings: list[Happening], settled_entries_max: int
) -> None:
    """G2, rule 2: a fact counts once, whatever came in between; refusals and conflicts too."""
    day = Day(settled_entries_max)
    for happening in happenings:
        day.live(happening)
    for fact in (*day.read, *reversed(day.read)):
        after, outcome = apply(day.ledger, _read_elsewhere(fact))
        assert outcome.kind in UNCHANGING_KINDS, (fact, outcome)
        assert day.ledger == after


@SEARCH
@given(agreeing_facts(), st.randoms(use_true_random=False), st.sampled_from((1, 100)))
def test_agreeing_facts_end_the_same_in_any_order_with_any_repeats(
    facts: tuple[InputFact, ...], random: Random, settled_entries_max: int
) -> None:
    """G4: larger sets than can be tried exhaustively, shuffled, with repeats and deadlines."""
    opening = tuple(
        balance(sku, 100, warehouse_id=warehouse_id)
        for sku in SKUS
        for warehouse_id in sorted(set(WAREHOUSES))
    )
    expected = expected_end((*opening, *facts))
    arrivals: list[Fact] = [*facts, *random.choices(facts, k=4), deadline(), deadline()]
    random.shuffle(arrivals)
    ledger = Ledger()
    for fact in (*opening, *arrivals, deadline()):
        ledger, _ = apply_lawfully(ledger, fact, settled_entries_max=settled_entries_max)
        if ledger.settlements and random.random() < 0.3:
            one = random.choice(ledger.settlements)
            ledger, _ = apply_lawfully(ledger, one, settled_entries_max=settled_entries_max)
    final = drained(ledger, settled_entries_max=settled_entries_max)
    assert expected == end_of(final)


def _once(read: list[InputFact], fact: InputFact) -> InputFact:
    """A fact that is equal to an earlier one is the earlier one, read at another offset."""
    return _read_elsewhere(fact) if fact in read else fact


def _read_elsewhere(fact: InputFact) -> InputFact:
    return replace(fact, cause=Cause("replayed", 7, 7))


def _assert_acknowledgements_add_up(day: Day) -> None:
    """An ERP that adds the events up is right: what is settled at once is not among them."""
    for reservation in day.ledger.reservations.values():
        for line in reservation.lines:
            key = (reservation.id, line.line_id)
            expected = line.acknowledged + day.settled_by_balance[key]
            assert expected == day.published[key], (reservation, line)


def _assert_units_that_left_stay_out(before: Ledger, after: Ledger) -> None:
    """Goods that were handed out stay out, and what was canceled stays canceled."""
    for earlier in before.reservations.values():
        if earlier.id not in after.reservations:
            continue
        lines = after.reservations[earlier.id].lines
        for line_before, line in zip(earlier.lines, lines, strict=False):
            gone = line_before.acknowledged + line_before.settled
            assert gone <= line.acknowledged + line.settled
            assert line_before.settled <= line.settled
            assert line_before.canceled <= line.canceled


def _assert_only_a_deadline_expires(before: Ledger, after: Ledger, happening: Happening) -> None:
    """A paid reservation is never expired; an unpaid one only by the deadline that it has."""
    for reservation in after.reservations.values():
        earlier = before.reservations.get(reservation.id)
        expired_before = sum(line.expired for line in earlier.lines) if earlier else 0
        if sum(line.expired for line in reservation.lines) <= expired_before:
            continue
        assert isinstance(happening, DeadlineDue)
        assert earlier is not None
        assert earlier.status is Status.AUTHORIZED
        assert reservation.paid_at_ms is None


def _assert_one_account_was_touched(before: Ledger, after: Ledger) -> None:
    """Accounts never touch each other, although order, sku and warehouse have the same names."""
    touched = {reservation_id.account for reservation_id in changed_reservations(before, after)} | {
        stock.id.account for stock in after.stocks.values() if stock != before.stocks.get(stock.id)
    }
    assert len(touched) <= 1
