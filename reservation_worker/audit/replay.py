"""Replays every published step on the ledger: what was published must be what the ledger says."""

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from reservation_worker.audit.differences import differences_of
from reservation_worker.audit.replayed import Replayed
from reservation_worker.audit.topics import (
    AuditConfig,
    Input,
    Published,
    Removal,
    Step,
    name_of,
)
from reservation_worker.audit.verdict import Findings, Law
from reservation_worker.contracts.outputs import (
    AcknowledgedReservationBody,
    CauseBody,
    ReservationChangedBody,
    StockChangedBody,
)
from reservation_worker.contracts.records import Rejection
from reservation_worker.contracts.restore import restore_reservation, restore_stock
from reservation_worker.domain.facts import (
    BalanceCounted,
    Cause,
    Coordinates,
    DeadlineReached,
    Fact,
    InputFact,
    ReservationSettlementDue,
    RetentionReached,
    StockSettlementDue,
)
from reservation_worker.domain.keys import ReservationId, StockId
from reservation_worker.domain.ledger import Outcome, decide
from reservation_worker.domain.outcome import (
    OutcomeKind,
    PublishedEvent,
    Reason,
    StockChanged,
)
from reservation_worker.domain.settlement import entries_told_by
from reservation_worker.domain.stock import Stock

DIFFERENCES_NAMED_MAX = 4
"""A violation names so many fields that differ."""


def replay(
    steps: list[Step], inputs: Mapping[Coordinates, Input], config: AuditConfig, findings: Findings
) -> Replayed:
    """Read steps in order, let the ledger decide each again, and compare (G1, G2, G5).

    After a difference the published state is taken over, so that one fault is one violation.
    """
    replayed = Replayed()
    versions: dict[StockId, int] = {}
    for step in steps:
        _StepReplay(step, inputs, config, findings, replayed, versions).run()
    return replayed


class _StepReplay:
    """One step, decided again."""

    def __init__(
        self,
        step: Step,
        inputs: Mapping[Coordinates, Input],
        config: AuditConfig,
        findings: Findings,
        replayed: Replayed,
        versions: dict[StockId, int],
    ) -> None:
        self._step = step
        self._inputs = inputs
        self._config = config
        self._findings = findings
        self._replayed = replayed
        self._versions = versions
        self._before: dict[StockId, Stock | None] = {}
        self._doubtful: set[StockId] = set()
        """Stocks of a reservation that differs: their difference is no second violation."""

    def run(self) -> None:
        """Decide the reservations' changes first, then the stocks, as a step publishes them."""
        events = self._step.events
        position = 0
        while position < len(events):
            published = events[position]
            body = published.body
            position += 1
            match body:
                case ReservationChangedBody():
                    acknowledgements = _acknowledgements_of(body, events, position)
                    position += len(acknowledgements)
                    self._reservation(published, body, acknowledgements)
                case StockChangedBody():
                    self._stock(published, body)
                case Removal():
                    self._removal(published, body)
                case AcknowledgedReservationBody():
                    self._findings.violate(
                        Law.ONE_OUTCOME,
                        f"event {published.event_id}: units of {published.subject.key} are "
                        "acknowledged without a change",
                    )
                case _:
                    assert_never(body)
        self._judge_unpublished_stocks()

    # ---- reservations

    def _reservation(
        self,
        published: Published,
        body: ReservationChangedBody,
        acknowledgements: list[Published],
    ) -> None:
        fact = self._fact_of_change(published, body)
        outcome = None if fact is None else self._decide(fact)
        if outcome is not None and body.reason not in _TIMED and body.cause is not None:
            self._note_effect(published, _coordinates(body.cause), outcome.kind)
        if outcome is None or not self._agree(published, body, acknowledgements, outcome):
            self._take_over(published, body)
            return
        assert outcome.change is not None, "a change that agrees was decided"
        self._replayed.take(outcome.change.reservation, published.record.timestamp_ms)
        for stock in outcome.stocks:
            self._put(stock)

    def _fact_of_change(self, published: Published, body: ReservationChangedBody) -> Fact | None:
        if body.reason is Reason.DEADLINE_REACHED:
            return DeadlineReached(body.account, body.order_id, body.occurred_at_ms)
        stated = self._stated(published, body.cause)
        if body.reason is Reason.BALANCE_COUNTED and isinstance(stated, BalanceCounted):
            return ReservationSettlementDue(
                body.account, stated.warehouse_id, stated.sku, body.order_id
            )
        return stated

    def _agree(
        self,
        published: Published,
        body: ReservationChangedBody,
        acknowledgements: list[Published],
        outcome: Outcome,
    ) -> bool:
        wanted: list[PublishedEvent] = [] if outcome.change is None else [outcome.change]
        wanted += outcome.acknowledgements
        found = [published, *acknowledgements]
        differences: list[str] = []
        for event, one in zip(wanted, found, strict=False):
            differences += differences_of(event, one, with_headers=True)
        if not wanted:
            differences.append(f"the ledger says {outcome.kind}: nothing changes")
        elif len(wanted) != len(found):
            differences.append(
                f"{len(found) - 1} acknowledgements instead of {len(wanted) - 1}",
            )
        return self._findings.check(
            _law_of(body, outcome),
            "changes, decided again",
            holds=not differences,
            violation=f"event {published.event_id}: {body.reason} made {published.subject.key} "
            f"{body.status}{_because(body.cause)}, but the ledger differs: "
            + "; ".join(differences[:DIFFERENCES_NAMED_MAX]),
        )

    def _take_over(self, published: Published, body: ReservationChangedBody) -> None:
        self._replayed.take(restore_reservation(body), published.record.timestamp_ms)
        self._doubtful |= {
            StockId(body.account, line.warehouse_id, line.sku) for line in body.lines
        }

    def _removal(self, published: Published, body: Removal) -> None:
        reservation_id = ReservationId(body.account, body.order_id)
        before = self._replayed.reservations.get(reservation_id)
        if before is None:
            return  # That nothing was there to be removed, the versions say.
        fact = RetentionReached(body.account, body.order_id, before.version, body.removed_at_ms)
        outcome = self._decide(fact)
        wanted = outcome.removal
        self._findings.check(
            Law.ONE_OUTCOME,
            "removals, decided again",
            holds=wanted is not None and not differences_of(wanted, published, with_headers=True),
            violation=f"event {published.event_id}: {reservation_id.key} was removed "
            f"{before.status}, but the ledger "
            + ("keeps it" if wanted is None else "says it in another way"),
        )
        self._replayed.removed.setdefault(reservation_id, []).append(before)
        del self._replayed.reservations[reservation_id]

    # ---- stocks

    def _stock(self, published: Published, body: StockChangedBody) -> None:
        stock_id = StockId(body.account, body.warehouse_id, body.sku)
        version = self._versions.get(stock_id, 0) + 1
        self._versions[stock_id] = body.version
        cause = body.internal.cause
        agreed = True
        if cause is not None or self._continues(stock_id):
            agreed = self._balance(published, stock_id, cause)
        stock = self._replayed.stocks.get(stock_id) or Stock(id=stock_id)
        if stock_id not in self._doubtful and agreed:
            event = StockChanged(
                stock=replace(stock, entries=()),
                version=version,
                occurred_at_ms=0,
                cause=self._balance_cause(published, cause),
                traceparent=None,
            )
            differences = differences_of(event, published, with_headers=False)
            agreed = self._findings.check(
                Law.SOLD_ONCE,
                "stocks, counted again",
                holds=not differences,
                violation=f"event {published.event_id}: the stock {stock_id.key} differs from the "
                "ledger: " + "; ".join(differences[:DIFFERENCES_NAMED_MAX]),
            )
        if stock_id in self._doubtful or not agreed:
            restored = restore_stock(body)
            entries, _ = entries_told_by(restored, self._replayed.reservations.values())
            self._put(replace(restored, entries=entries))
        self._before.pop(stock_id, None)

    def _continues(self, stock_id: StockId) -> bool:
        """Tell whether the change can only be a settlement that goes on."""
        stock = self._replayed.stocks.get(stock_id)
        return (
            stock is not None and stock.settled_through is not None and stock_id not in self._before
        )

    def _balance(self, published: Published, stock_id: StockId, cause: CauseBody | None) -> bool:
        stock = self._replayed.stocks.get(stock_id) or Stock(id=stock_id)
        counted_by = stock.counted_by
        goes_on = counted_by is not None and (
            cause is None
            or _coordinates(cause) == (counted_by.topic, counted_by.partition, counted_by.offset)
        )
        if goes_on:
            fact: Fact | None = StockSettlementDue(*_parts(stock_id))
        else:
            fact = self._stated(published, cause)
        if fact is None:
            return False
        outcome = self._decide(fact)
        if cause is not None and not goes_on:
            self._note_effect(published, _coordinates(cause), outcome.kind)
        for after in outcome.stocks:
            self._put(after)
        return self._findings.check(
            Law.ONE_OUTCOME,
            "balances, decided again",
            holds=outcome.kind is OutcomeKind.CHANGED and stock_id in self._before,
            violation=f"event {published.event_id}: a balance changed {stock_id.key}"
            f"{_because(cause)}, but the ledger says {outcome.kind}",
        )

    def _balance_cause(self, published: Published, cause: CauseBody | None) -> Cause | None:
        stated = None if cause is None else self._stated(published, cause)
        return None if stated is None else stated.cause

    def _judge_unpublished_stocks(self) -> None:
        for stock_id, before in self._before.items():
            after = self._replayed.stocks[stock_id]
            unchanged = replace(before or Stock(id=stock_id), entries=after.entries) == after
            self._findings.check(
                Law.SOLD_ONCE,
                "stocks that a step left as they were",
                holds=unchanged or stock_id in self._doubtful,
                violation=f"step {self._step.shard}-{self._step.number} changed the stock "
                f"{stock_id.key} and did not publish it",
            )

    # ---- shared

    def _decide(self, fact: Fact) -> Outcome:
        return decide(
            self._replayed.stocks,
            self._replayed.reservations,
            fact,
            settled_entries_max=self._config.settled_entries_max,
        )

    def _put(self, stock: Stock) -> None:
        if stock.id not in self._before:
            self._before[stock.id] = self._replayed.stocks.get(stock.id)
        self._replayed.stocks[stock.id] = stock

    def _stated(self, published: Published, cause: CauseBody | None) -> InputFact | None:
        found = None if cause is None else self._inputs.get(_coordinates(cause))
        if found is not None and not isinstance(found.stated, Rejection):
            return found.stated
        self._findings.violate(
            Law.ONE_OUTCOME,
            f"event {published.event_id}: {published.subject.key} changed{_because(cause)}, "
            "which states no fact",
        )
        return None

    def _note_effect(
        self, published: Published, coordinates: Coordinates, kind: OutcomeKind
    ) -> None:
        self._findings.check(
            Law.ONE_OUTCOME,
            "records that count once",
            holds=coordinates not in self._replayed.effects,
            violation=f"event {published.event_id}: {name_of(coordinates)} counts twice",
        )
        self._replayed.effects[coordinates] = kind


_TIMED = (Reason.DEADLINE_REACHED, Reason.BALANCE_COUNTED)


def _acknowledgements_of(
    body: ReservationChangedBody, events: list[Published], position: int
) -> list[Published]:
    """Return the acknowledgements right behind a change, of the same order and version."""
    end = position
    while end < len(events):
        other = events[end].body
        if not isinstance(other, AcknowledgedReservationBody):
            break
        if (other.account, other.order_id) != (body.account, body.order_id):
            break
        end += 1
    return events[position:end]


def _law_of(body: ReservationChangedBody, outcome: Outcome) -> Law:
    """Return the law that is broken if this change is not the ledger's."""
    if body.reason is Reason.DEADLINE_REACHED:
        return Law.PAID_IN_TIME
    decided = () if outcome.change is None else outcome.change.reservation.lines
    wanted_units = sum(line.held + line.acknowledged for line in decided)
    if outcome.change is not None and wanted_units < sum(
        line.held + line.acknowledged for line in body.lines
    ):
        return Law.SOLD_ONCE
    return Law.ONE_OUTCOME


def _because(cause: CauseBody | None) -> str:
    return "" if cause is None else f" because of {name_of(_coordinates(cause))}"


def _coordinates(cause: CauseBody) -> Coordinates:
    return (cause.topic, cause.partition, cause.offset)


def _parts(stock_id: StockId) -> tuple[str, str, str]:
    return (stock_id.account, stock_id.warehouse_id, stock_id.sku)
