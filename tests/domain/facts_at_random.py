"""Random days of a small, quarrelsome shop: few names and few instants, so that facts collide."""

from dataclasses import dataclass

from hypothesis import strategies as st

from reservation_worker.domain.facts import (
    BalanceCounted,
    InputFact,
    LineUnits,
    OrderCanceled,
    OrderInvoiced,
    OrderLine,
)
from tests.domain.shop import balance, cancellation, invoice, order, payment

ACCOUNTS = (*("acme",) * 7, "other")
ORDER_IDS = ("A", "A", "B")
SKUS = ("shirt", "hat")
WAREHOUSES = (*("main",) * 5, "north")
LINE_IDS = ("1", "2", "3")
INSTANTS_MS = st.integers(1, 30)
COUNTED_AT_MS = INSTANTS_MS | INSTANTS_MS.map(lambda at_ms: at_ms // 6 * 6)
"""Many clocks know only seconds: counts meet at one instant."""
UNTIL_COMPARED_MS = st.sampled_from((0, 0, 0, 3, 12, -20))
"""The end of an invoice's day is later; a record's timestamp may even be before its date."""
USUAL_LINES = (OrderLine("1", "main", "shirt", 2), OrderLine("2", "main", "hat", 1))
"""Of an order whose number is given out again."""


@dataclass(frozen=True)
class ReadAgain:
    """An input fact that has been read before is read once more."""

    choice: int


@dataclass(frozen=True)
class DeadlineDue:
    """The deadline of an order passes; a stale one names an instant that is not its deadline."""

    account: str
    order_id: str
    is_stale: bool


@dataclass(frozen=True)
class SettlementStated:
    """One of the settlements that wait is stated, in any order; possibly twice."""

    choice: int
    is_twice: bool


@dataclass(frozen=True)
class SettlementUncalledFor:
    """A settlement is stated that nothing called for."""

    account: str
    warehouse_id: str
    sku: str
    order_id: str


@dataclass(frozen=True)
class RetentionOver:
    """An order has been kept long enough; an outdated one names another version."""

    account: str
    order_id: str
    is_outdated: bool


Happening = (
    InputFact | ReadAgain | DeadlineDue | SettlementStated | SettlementUncalledFor | RetentionOver
)


@st.composite
def _order_lines(draw: st.DrawFn) -> tuple[OrderLine, ...]:
    line_ids = LINE_IDS[: draw(st.integers(1, 3))]
    return tuple(
        OrderLine(
            line_id,
            draw(st.sampled_from(WAREHOUSES)),
            draw(st.sampled_from(SKUS)),
            draw(st.integers(1, 6)),
        )
        for line_id in line_ids
    )


def _units() -> st.SearchStrategy[tuple[tuple[str, int], ...]]:
    return st.lists(
        st.tuples(
            st.sampled_from((*LINE_IDS, *LINE_IDS, "1", "unknown")),
            st.sampled_from((1, 1, 1, 2, 4)),
        ),
        min_size=1,
        max_size=3,
        unique_by=lambda pair: pair[0],
    ).map(tuple)


ORDERS = st.builds(
    lambda lines, order_id, completed_at_ms, account: order(
        *lines,
        order_id=order_id,
        completed_at_ms=completed_at_ms,
        expires_at_ms=completed_at_ms + 5,
        account=account,
    ),
    st.just(USUAL_LINES) | _order_lines(),
    st.sampled_from(ORDER_IDS),
    INSTANTS_MS,
    st.sampled_from(ACCOUNTS),
)
PAYMENTS = st.builds(
    payment,
    st.sampled_from(("p1", "p1", "p2", None, None)),
    order_id=st.sampled_from(ORDER_IDS),
    approved_at_ms=INSTANTS_MS,
    reacquire=st.sampled_from((True, True, False)),
    account=st.sampled_from(ACCOUNTS),
)


@st.composite
def _invoices(draw: st.DrawFn) -> OrderInvoiced:
    units = draw(st.one_of(st.just(()), _units(), _units()))
    ids = ("NF1", "NF2", "NF3", "NF4", "NF5") if units else ("NF1", "NF6", None)
    invoiced_at_ms = draw(INSTANTS_MS)
    return invoice(
        draw(st.sampled_from(ids)),
        *units,
        order_id=draw(st.sampled_from(ORDER_IDS)),
        invoiced_at_ms=invoiced_at_ms,
        compared_at_ms=invoiced_at_ms + draw(UNTIL_COMPARED_MS),
        account=draw(st.sampled_from(ACCOUNTS)),
    )


@st.composite
def _cancellations(draw: st.DrawFn) -> OrderCanceled:
    units = draw(st.one_of(st.just(()), _units(), _units()))
    ids = ("C1", "C2", "C3", "C4", "C5") if units else ("C1", "C6", None)
    return cancellation(
        draw(st.sampled_from(ids)),
        *units,
        order_id=draw(st.sampled_from(ORDER_IDS)),
        canceled_at_ms=draw(INSTANTS_MS),
        account=draw(st.sampled_from(ACCOUNTS)),
    )


@st.composite
def _balances(draw: st.DrawFn) -> BalanceCounted:
    return balance(
        draw(st.sampled_from(SKUS)),
        draw(st.sampled_from((-3, 0, 4, 8, 12, 20, 30))),
        counted_at_ms=draw(COUNTED_AT_MS),
        limit=draw(st.sampled_from((None, None, None, 0, 2, -4))),
        unlimited=draw(st.sampled_from((None, None, None, None, False, True))),
        warehouse_id=draw(st.sampled_from(WAREHOUSES)),
        account=draw(st.sampled_from(ACCOUNTS)),
    )


SOMETHING: st.SearchStrategy[Happening] = st.one_of(
    ORDERS,
    PAYMENTS,
    PAYMENTS,
    _invoices(),
    _invoices(),
    _invoices(),
    _cancellations(),
    _balances(),
    _balances(),
    _balances(),
    st.builds(ReadAgain, st.integers(0, 60)),
    st.builds(
        DeadlineDue,
        st.sampled_from(ACCOUNTS),
        st.sampled_from(ORDER_IDS),
        st.just(value=False),
    ),
    st.builds(
        DeadlineDue,
        st.sampled_from(ACCOUNTS),
        st.sampled_from(ORDER_IDS),
        st.sampled_from((False, False, False, True)),
    ),
    st.builds(SettlementStated, st.integers(0, 10), st.booleans()),
    st.builds(
        SettlementUncalledFor,
        st.sampled_from(ACCOUNTS),
        st.sampled_from(WAREHOUSES),
        st.sampled_from(SKUS),
        st.sampled_from(ORDER_IDS),
    ),
)


ANYTHING: st.SearchStrategy[Happening] = st.one_of(
    SOMETHING,
    SOMETHING,
    SOMETHING,
    st.builds(
        RetentionOver,
        st.sampled_from(ACCOUNTS),
        st.sampled_from(ORDER_IDS),
        st.sampled_from((False, False, True)),
    ),
)
"""Also that reservations leave, behind which every fact is new again."""


@st.composite
def days(
    draw: st.DrawFn, what_happens: st.SearchStrategy[Happening] = SOMETHING
) -> list[Happening]:
    """Draw a day: mostly stock is counted and orders come first, then anything happens.

    Without that opening nearly every random order would be denied, and hold nothing.
    """
    opening: list[Happening] = [
        balance(sku, draw(st.sampled_from((4, 8, 15, 30, 60))), counted_at_ms=1)
        for sku in SKUS
        if draw(st.integers(0, 9))
    ]
    opening.extend(draw(st.lists(ORDERS, max_size=4)))
    happenings = draw(st.lists(what_happens, min_size=15, max_size=45))
    insertions = draw(st.lists(st.integers(0, 3), min_size=len(opening), max_size=len(opening)))
    day: list[Happening] = []
    for before, happening in zip(insertions, opening, strict=True):
        day.extend(happenings[:before])
        del happenings[:before]
        day.append(happening)
    return day + happenings


def _ample_balances() -> st.SearchStrategy[BalanceCounted]:
    """Counts that meet at few instants, and never make a stock short."""
    return st.builds(
        balance,
        st.sampled_from(SKUS),
        st.integers(100, 120),
        counted_at_ms=st.sampled_from((30, 40, 50, 55, 60, 70)),
        limit=st.sampled_from((None, None, 0, 2, -4)),
        unlimited=st.sampled_from((None, None, False, True)),
        warehouse_id=st.sampled_from(WAREHOUSES),
    )


@st.composite
def agreeing_facts(draw: st.DrawFn) -> tuple[InputFact, ...]:
    """Facts of one order, with ample stock, that do not contradict each other.

    Each unit of a line is given to at most one invoice or cancellation; or one invoice or
    cancellation without lines takes every unit that is left.
    """
    lines = draw(_order_lines())
    invoiced: dict[str, list[LineUnits]] = {"NF1": [], "NF2": [], "NF3": []}
    canceled: dict[str, list[LineUnits]] = {"C1": [], "C2": []}
    for one in lines:
        left = one.quantity
        for shares in (*invoiced.values(), *canceled.values()):
            units = draw(st.integers(0, left))
            left -= units
            if units:
                shares.append(LineUnits(one.line_id, units))
    facts: list[InputFact] = [order(*lines)]
    for invoice_id, shares in invoiced.items():
        if shares:
            pairs = ((share.line_id, share.quantity) for share in shares)
            invoiced_at_ms = draw(st.integers(1, 60))
            compared_at_ms = invoiced_at_ms + draw(UNTIL_COMPARED_MS)
            facts.append(
                invoice(
                    invoice_id,
                    *pairs,
                    invoiced_at_ms=invoiced_at_ms,
                    compared_at_ms=compared_at_ms,
                )
            )
    for cancellation_id, shares in canceled.items():
        if shares:
            pairs = ((share.line_id, share.quantity) for share in shares)
            facts.append(cancellation(cancellation_id, *pairs))
    facts.extend(
        draw(st.sampled_from(((), (payment(),), (payment(None),), (payment(None), payment()))))
    )
    facts.extend(draw(st.lists(_ample_balances(), max_size=5)))
    return tuple(facts)
