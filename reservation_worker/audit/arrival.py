"""G4: the facts of an order, in any order of arrival, end in the same reservation.

Checked for each order of which the law speaks: its stocks were ample (no change of it names a
shortage), its facts do not contradict each other (no conflict, neither as they came nor in the two
orders tried here, and no two instants of one order or of the same units), and no late payment of it
was to be refunded. Its facts are given to a ledger of
its own twice, as a shop would tell them and backwards, on unlimited stocks that were counted when
the real ones were; both times it must end with the status and the line quantities that were
published last. An order that was removed and came again is left out: which of its facts belong to
which life, the topics do not say.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reservation_worker.audit.replayed import Replayed
from reservation_worker.audit.topics import Input, Step
from reservation_worker.audit.verdict import Findings, Law
from reservation_worker.contracts.outputs import ReservationChangedBody
from reservation_worker.contracts.records import Rejection
from reservation_worker.domain.facts import (
    BalanceCounted,
    Coordinates,
    DeadlineReached,
    Fact,
    OrderCanceled,
    OrderCompleted,
    OrderInvoiced,
    PaymentApproved,
    reservation_id_of,
)
from reservation_worker.domain.keys import ReservationId, StockId
from reservation_worker.domain.ledger import decide
from reservation_worker.domain.outcome import Reason
from reservation_worker.domain.reservation import Reservation
from reservation_worker.domain.stock import Stock

OrderFact = OrderCompleted | PaymentApproved | OrderInvoiced | OrderCanceled

_TELLING = (OrderCompleted, PaymentApproved, OrderCanceled, OrderInvoiced)
"""How a shop would tell the facts of an order."""


@dataclass(slots=True)
class _Story:
    """All that was read and published of one order."""

    facts: list[OrderFact] = field(default_factory=list)
    expired_at_ms: int | None = None
    is_contradicted: bool = False
    was_short: bool = False


def judge_arrival(
    steps: list[Step],
    inputs: Mapping[Coordinates, Input],
    replayed: Replayed,
    findings: Findings,
) -> None:
    """Tell each order's facts to a ledger of its own, in two other orders."""
    stories = _stories(steps, inputs)
    for reservation_id, story in stories.items():
        reservation = replayed.reservations.get(reservation_id)
        if not story.facts:
            findings.violate(
                Law.ONE_OUTCOME,
                f"{reservation_id.key} is published, but no input record names it",
            )
            continue
        if reservation is None or reservation_id in replayed.removed or not _is_bound(story):
            continue
        forwards = sorted(story.facts, key=lambda fact: _TELLING.index(type(fact)))
        endings = [
            _tell(facts, story.expired_at_ms, replayed.stocks)
            for facts in (forwards, forwards[::-1])
        ]
        if any(ending is None for ending in endings):
            continue
        for ending, how in zip(endings, ("as a shop tells them", "backwards"), strict=True):
            findings.check(
                Law.ANY_ORDER,
                f"orders told {how}",
                holds=ending is not None and _summary(ending) == _summary(reservation),
                violation=f"{reservation_id.key} ended {reservation.status}, but its facts told "
                f"{how} end {'differently' if ending is None else _summary(ending)} "
                f"instead of {_summary(reservation)}",
            )


def _stories(
    steps: list[Step], inputs: Mapping[Coordinates, Input]
) -> Mapping[ReservationId, _Story]:
    stories: defaultdict[ReservationId, _Story] = defaultdict(_Story)
    for one in inputs.values():
        fact = one.stated
        if not isinstance(fact, Rejection | BalanceCounted):
            stories[reservation_id_of(fact)].facts.append(fact)
    for step in steps:
        for published in step.events:
            body = published.body
            if isinstance(body, ReservationChangedBody):
                story = stories[ReservationId(body.account, body.order_id)]
                story.was_short |= bool(body.shortages)
                story.is_contradicted |= bool(body.conflicts)
                if body.reason is Reason.DEADLINE_REACHED:
                    story.expired_at_ms = body.occurred_at_ms
    return stories


def _is_bound(story: _Story) -> bool:
    """Tell whether the law speaks of this order."""
    if story.was_short or story.is_contradicted or _has_two_dates(story.facts):
        return False
    refunds = any(isinstance(one, PaymentApproved) and not one.reacquire for one in story.facts)
    return story.expired_at_ms is None or not refunds


def _has_two_dates(facts: Sequence[OrderFact]) -> bool:
    """Tell whether what is compared with counts depends on which fact came first."""
    completed = {fact.completed_at_ms for fact in facts if isinstance(fact, OrderCompleted)}
    compared: defaultdict[str, set[int]] = defaultdict(set)
    for fact in facts:
        if isinstance(fact, OrderInvoiced):
            # Those of the whole order move the same units, whatever their ids are.
            name = f"id {fact.invoice_id}" if fact.lines else "the whole"
            compared[name].add(fact.compared_at_ms)
    return len(completed) > 1 or any(len(dates) > 1 for dates in compared.values())


def _tell(
    facts: Sequence[OrderFact], expired_at_ms: int | None, real_stocks: Mapping[StockId, Stock]
) -> Reservation | None:
    """Return how a story ends on ample stock; None if its facts contradict each other."""
    reservation_id = reservation_id_of(facts[0])
    stocks = {
        stock_id: Stock(
            id=stock_id,
            unlimited=True,
            counted_at_ms=real_stocks[stock_id].counted_at_ms,
        )
        for fact in facts
        if isinstance(fact, OrderCompleted)
        for line in fact.lines
        for stock_id in (StockId(fact.account, line.warehouse_id, line.sku),)
        if stock_id in real_stocks
    }
    reservations: dict[ReservationId, Reservation] = {}
    told: list[Fact] = [*facts]
    if expired_at_ms is not None:
        told.append(DeadlineReached(reservation_id.account, reservation_id.order_id, expired_at_ms))
    for fact in told:
        outcome = decide(stocks, reservations, fact)
        if outcome.change is None:
            continue
        if outcome.change.conflicts:
            return None
        reservations[reservation_id] = outcome.change.reservation
        stocks.update((stock.id, stock) for stock in outcome.stocks)
    return reservations.get(reservation_id)


def _summary(reservation: Reservation) -> str:
    lines = ", ".join(
        f"line {line.line_id}: {_places(line.held, line.acknowledged, line.settled)} "
        f"{_places(line.canceled, line.expired, line.denied)}"
        for line in sorted(reservation.lines, key=lambda line: line.line_id)
    )
    return f"{reservation.status} ({lines})"


def _places(*units: int) -> str:
    return "/".join(map(str, units))
