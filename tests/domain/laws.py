"""The laws of the domain, asserted on a ledger and on one application of a fact.

They are written from the vocabulary of the domain (where a unit is, what a fact may do) and
recompute everything from the reservations, so that a wrong sum in the ledger cannot hide.
"""

from collections import Counter
from collections.abc import Mapping

from reservation_worker.domain.facts import (
    BalanceCounted,
    Fact,
    ReservationSettlementDue,
    StockSettlementDue,
)
from reservation_worker.domain.keys import ReservationId, StockId
from reservation_worker.domain.ledger import Ledger, Outcome, apply
from reservation_worker.domain.outcome import (
    OutcomeKind,
    Reason,
    ReservationChanged,
    ReservationRemoved,
)
from reservation_worker.domain.reservation import Line, Reservation, Status
from reservation_worker.domain.stock import AcknowledgedEntry, Stock

UNCHANGING_KINDS = frozenset(
    {OutcomeKind.REPEAT, OutcomeKind.BALANCE_DIFFERS, OutcomeKind.OUT_OF_BOUNDS}
)
SETTLED_ENTRIES_MAX = 100


def line_stock_id(reservation: Reservation, line: Line) -> StockId:
    """Return the stock that a line holds units of."""
    return StockId(reservation.id.account, line.warehouse_id, line.sku)


def assert_ledger_is_lawful(ledger: Ledger) -> None:
    """Assert what must hold between any two facts."""
    for reservation_id, reservation in ledger.reservations.items():
        assert reservation_id == reservation.id
        _assert_reservation_is_lawful(reservation)
    authorized, confirmed, acknowledged = bucket_sums(ledger)
    unsettled = _unsettled_sums(ledger)
    for stock_id, stock in ledger.stocks.items():
        assert stock_id == stock.id
        assert authorized[stock_id] == stock.authorized, stock
        assert confirmed[stock_id] == stock.confirmed, stock
        assert acknowledged[stock_id] == stock.acknowledged, stock
        assert acknowledged[stock_id] <= unsettled[stock_id], stock
        buckets = stock.available + stock.authorized + stock.confirmed + stock.acknowledged
        assert buckets == stock.on_hand, stock
    named = set(authorized) | set(confirmed) | set(acknowledged)
    assert named <= set(ledger.stocks), "units are held in a stock that does not exist"


def assert_nothing_waits(ledger: Ledger) -> None:
    """Assert what must hold where every settlement has been stated."""
    assert ledger.settlements == ()
    unsettled = _unsettled_sums(ledger)
    for stock in ledger.stocks.values():
        assert stock.settled_through is None, stock
        assert unsettled[stock.id] == stock.acknowledged, stock
    for reservation in ledger.reservations.values():
        for units in reservation.acknowledged:
            stock = ledger.stocks[line_stock_id(reservation, reservation.lines[units.line_index])]
            assert not stock.covers(units.compared_at_ms), (reservation, stock)


def apply_lawfully(
    ledger: Ledger, fact: Fact, *, settled_entries_max: int = SETTLED_ENTRIES_MAX
) -> tuple[Ledger, Outcome]:
    """Apply a fact and assert every law that speaks of before, after, and the outcome."""
    after, outcome = apply(ledger, fact, settled_entries_max=settled_entries_max)
    _assert_outcome_tells_the_difference(ledger, after, outcome)
    _assert_reservations_respect_the_limit(ledger, after, fact)
    _assert_acknowledgements_add_up(ledger, outcome)
    if outcome.change is not None:
        _assert_change_is_numbered(ledger, outcome.change)
        _assert_kind_says_what_happened(ledger, outcome, outcome.change)
    if isinstance(fact, BalanceCounted | StockSettlementDue):
        assert ledger.reservations == after.reservations, "a balance's own step moves stock only"
    if isinstance(fact, ReservationSettlementDue):
        assert _buckets(ledger.stocks) == _buckets(after.stocks), (
            "the stock was right in the balance's step; the reservation only follows"
        )
    assert_ledger_is_lawful(after)
    return after, outcome


def drained(ledger: Ledger, *, settled_entries_max: int = SETTLED_ENTRIES_MAX) -> Ledger:
    """State every settlement that waits, and those that follow from it."""
    for _ in range(10_000):
        if not ledger.settlements:
            assert_nothing_waits(ledger)
            return ledger
        available = {stock.id: stock.available for stock in ledger.stocks.values()}
        ledger, _ = apply_lawfully(
            ledger, ledger.settlements[0], settled_entries_max=settled_entries_max
        )
        for stock in ledger.stocks.values():
            assert stock.available >= available[stock.id], (
                "until the cursor is done, available is too low, never too high"
            )
    message = "settlements do not come to an end"
    raise AssertionError(message)


def bucket_sums(
    ledger: Ledger,
) -> tuple[Mapping[StockId, int], Mapping[StockId, int], Mapping[StockId, int]]:
    """Return what authorized, confirmed and acknowledged of each stock must be."""
    authorized: Counter[StockId] = Counter()
    confirmed: Counter[StockId] = Counter()
    acknowledged: Counter[StockId] = Counter()
    for reservation in ledger.reservations.values():
        for line in reservation.lines:
            bucket = authorized if reservation.paid_at_ms is None else confirmed
            bucket[line_stock_id(reservation, line)] += line.held
        for units in reservation.acknowledged:
            line = reservation.lines[units.line_index]
            stock_id = line_stock_id(reservation, line)
            entry = AcknowledgedEntry(
                units.compared_at_ms, reservation.id.order_id, units.line_index, units.units
            )
            if not ledger.stocks[stock_id].has_released(entry):
                acknowledged[stock_id] += units.units
    return +authorized, +confirmed, +acknowledged


def _unsettled_sums(ledger: Ledger) -> Counter[StockId]:
    sums: Counter[StockId] = Counter()
    for reservation in ledger.reservations.values():
        for line in reservation.lines:
            sums[line_stock_id(reservation, line)] += line.acknowledged
    return sums


def _assert_reservation_is_lawful(reservation: Reservation) -> None:
    assert reservation.version >= 1, "what has no change is not remembered"
    for index, line in enumerate(reservation.lines):
        places = (
            line.held,
            line.acknowledged,
            line.settled,
            line.canceled,
            line.expired,
            line.denied,
        )
        assert min(places) >= 0, line
        assert sum(places) == line.quantity, line
        dated = sum(units.units for units in reservation.acknowledged if units.line_index == index)
        assert dated == line.acknowledged, reservation
    assert all(units.units > 0 for units in reservation.acknowledged), reservation
    is_authorized = reservation.status is Status.AUTHORIZED
    assert (reservation.expires_at_ms is not None) == is_authorized, reservation
    lacking = any(line.expired or line.denied for line in reservation.lines)
    held = any(line.held for line in reservation.lines)
    assert not (held and lacking), "an order holds all of its units or none"
    assert reservation.status is expected_status(reservation), reservation
    assert reservation.refund_needed is _expected_refund_needed(reservation), reservation
    early_total = reservation.version if reservation.status is Status.AWAITING else 0
    assert len(reservation.early_facts) == early_total, reservation


def expected_status(reservation: Reservation) -> Status:
    """Return the first status of the table whose condition holds."""
    if not reservation.lines:
        return Status.AWAITING
    sums = {
        place: sum(getattr(line, place) for line in reservation.lines)
        for place in ("quantity", "held", "acknowledged", "settled", "canceled", "expired")
    }
    table = (
        (sums["held"] > 0 and reservation.paid_at_ms is not None, Status.CONFIRMED),
        (sums["held"] > 0, Status.AUTHORIZED),
        (sums["acknowledged"] > 0, Status.ACKNOWLEDGED),
        (sums["settled"] > 0, Status.SETTLED),
        (sums["canceled"] == sums["quantity"], Status.CANCELED),
        (sums["expired"] > 0, Status.EXPIRED),
        (True, Status.DENIED),
    )
    return next(status for holds, status in table if holds)


def _expected_refund_needed(reservation: Reservation) -> bool:
    got = sum(line.held + line.acknowledged + line.settled for line in reservation.lines)
    known = bool(reservation.lines)
    return known and reservation.paid_at_ms is not None and got == 0


def _assert_outcome_tells_the_difference(before: Ledger, after: Ledger, outcome: Outcome) -> None:
    changed = changed_reservations(before, after)
    if outcome.removal is not None:
        _assert_only_what_is_done_with_is_forgotten(before, after, outcome.removal)
        assert outcome == Outcome(OutcomeKind.CHANGED, removal=outcome.removal)
    elif outcome.change is None:
        assert changed == ()
        assert outcome.acknowledgements == ()
    else:
        assert (outcome.change.reservation.id,) == changed
        assert after.reservations[changed[0]] == outcome.change.reservation
    changed_stocks = {
        stock_id
        for stock_id in {*before.stocks, *after.stocks}
        if before.stocks.get(stock_id) != after.stocks.get(stock_id)
    }
    told = [stock.id for stock in outcome.stocks]
    assert len(set(told)) == len(told), "each stock is told once"
    assert changed_stocks == set(told)
    assert all(after.stocks[stock.id] == stock for stock in outcome.stocks)
    if outcome.kind in UNCHANGING_KINDS:
        assert outcome.change is None
        assert changed_stocks == set()
    else:
        assert changed or changed_stocks


def _assert_only_what_is_done_with_is_forgotten(
    before: Ledger, after: Ledger, removal: ReservationRemoved
) -> None:
    forgotten = before.reservations[removal.reservation_id]
    assert forgotten.status == removal.status
    assert all(line.held == line.acknowledged == 0 for line in forgotten.lines), forgotten
    assert (forgotten.status is Status.AWAITING) == bool(removal.early_facts)
    assert changed_reservations(before, after) == (removal.reservation_id,)
    assert removal.reservation_id not in after.reservations
    assert before.stocks == after.stocks, "no unit moves"


def changed_reservations(before: Ledger, after: Ledger) -> tuple[ReservationId, ...]:
    """Return the reservations in which two ledgers differ."""
    ids = {*before.reservations, *after.reservations}
    return tuple(
        sorted(
            reservation_id
            for reservation_id in ids
            if before.reservations.get(reservation_id) != after.reservations.get(reservation_id)
        )
    )


def _assert_reservations_respect_the_limit(before: Ledger, after: Ledger, fact: Fact) -> None:
    if isinstance(fact, BalanceCounted):
        return
    for stock in after.stocks.values():
        earlier = before.stocks.get(stock.id, Stock(stock.id))
        assert stock.on_hand == earlier.on_hand, "only a balance changes on_hand"
        if stock.available < earlier.available and not stock.unlimited:
            assert stock.available >= stock.limit, (fact, stock)


def _assert_acknowledgements_add_up(before: Ledger, outcome: Outcome) -> None:
    change = outcome.change
    if change is None:
        return
    published: Counter[str] = Counter()
    counted: Counter[str] = Counter()
    for event in outcome.acknowledgements:
        assert event.version == change.reservation.version
        assert event.order_id == change.reservation.id.order_id
        assert event.account == change.reservation.id.account
        assert event.lines or event.already_counted, "an event without lines says nothing"
        for sums, lines in ((published, event.lines), (counted, event.already_counted)):
            for told in lines:
                assert told.quantity > 0
                sums[told.line_id] += told.quantity
    earlier = before.reservations.get(change.reservation.id)
    earlier_lines = {line.line_id: line for line in earlier.lines} if earlier else {}
    for line in change.reservation.lines:
        line_before = earlier_lines.get(line.line_id)
        gained = line.acknowledged - (line_before.acknowledged if line_before else 0)
        settled = line.settled - (line_before.settled if line_before else 0)
        if change.reason is Reason.BALANCE_COUNTED:
            assert gained <= 0
            assert published[line.line_id] == counted[line.line_id] == 0
        else:
            assert gained == published[line.line_id], "the ERP takes out what was acknowledged"
            assert settled == counted[line.line_id], "nothing is settled without a word"


def _assert_change_is_numbered(before: Ledger, change: ReservationChanged) -> None:
    earlier = before.reservations.get(change.reservation.id)
    version = earlier.version if earlier else 0
    assert version + 1 == change.reservation.version, "versions are contiguous"
    assert change.previous_status == (earlier.status if earlier else None)


def _assert_kind_says_what_happened(
    before: Ledger, outcome: Outcome, change: ReservationChanged
) -> None:
    assert list(dict.fromkeys(change.conflicts)) == list(change.conflicts), "each conflict once"
    assert bool(change.conflicts) == (outcome.kind is OutcomeKind.CONFLICT)
    if outcome.kind is OutcomeKind.REFUSED:
        assert change.shortages
    if change.shortages:
        assert outcome.kind in {OutcomeKind.REFUSED, OutcomeKind.CONFLICT}
    for shortage in change.shortages:
        assert 0 <= shortage.available < shortage.requested, shortage
        stock = before.stocks.get(shortage.stock_id)
        assert shortage.unknown == (stock is None or stock.counted_at_ms is None), shortage


def _buckets(stocks: Mapping[StockId, Stock]) -> dict[StockId, tuple[int, ...]]:
    return {
        stock.id: (stock.on_hand, stock.authorized, stock.confirmed, stock.acknowledged)
        for stock in stocks.values()
    }
