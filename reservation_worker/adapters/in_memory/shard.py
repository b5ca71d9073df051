"""What a shard holds in memory, and what a step of facts does to it."""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, replace

from reservation_worker.adapters.in_memory.event_size import change_bytes_max
from reservation_worker.contracts.encode import encode_step
from reservation_worker.contracts.records import OutputRecord
from reservation_worker.domain.facts import (
    BalanceCounted,
    DeadlineReached,
    Fact,
    OrderCompleted,
    ReservationSettlementDue,
    RetentionReached,
    Settlement,
    StockSettlementDue,
    reservation_id_of,
    stock_id_of,
)
from reservation_worker.domain.keys import ReservationId, StockId, join_key
from reservation_worker.domain.ledger import SETTLED_ENTRIES_MAX, Outcome, decide
from reservation_worker.domain.outcome import (
    OutcomeKind,
    PublishedEvent,
    Remark,
    ReservationRemoved,
    ShortfallRemark,
    StockChanged,
    remark_on,
    remark_on_removal,
)
from reservation_worker.domain.reservation import Reservation
from reservation_worker.domain.stock import Stock
from reservation_worker.ports import OutboxEntry

TIMED_FACTS = (DeadlineReached, RetentionReached, StockSettlementDue, ReservationSettlementDue)


@dataclass(frozen=True, slots=True)
class InMemoryStoreConfig:
    """The bounds of a step; they mean what they mean for the scripts."""

    facts_per_step_max: int = 500
    event_bytes_max: int = 900_000
    outbox_steps_max: int = 10_000
    settled_entries_max: int = SETTLED_ENTRIES_MAX


@dataclass(slots=True)
class Shard:
    """What the keys of one shard hold."""

    number: int
    epoch: int = 0
    step: int = 0
    published: int = 0
    torn: bool = False
    verified_server: str = ""
    deployment: str = ""
    """Whose it is; empty: nobody's yet, or an older release's."""
    last_call: int = 0
    """Of the rebuild in this epoch."""
    demanded: str = ""
    adopts: bool = False
    stocks: dict[StockId, Stock] = field(default_factory=dict)
    stock_versions: dict[StockId, int] = field(default_factory=dict)
    reservations: dict[ReservationId, Reservation] = field(default_factory=dict)
    changed_at_ms: dict[ReservationId, int] = field(default_factory=dict)
    """When the step was applied that changed each last."""
    settlements: dict[Settlement, int] = field(default_factory=dict)
    """By ``counted_at`` of the balance that left them."""
    outbox: dict[int, OutboxEntry[OutputRecord]] = field(default_factory=dict)

    def copied(self) -> "Shard":
        """Return a copy; the values inside are frozen."""
        other = copy(self)
        other.stocks = dict(self.stocks)
        other.stock_versions = dict(self.stock_versions)
        other.reservations = dict(self.reservations)
        other.changed_at_ms = dict(self.changed_at_ms)
        other.settlements = dict(self.settlements)
        other.outbox = dict(self.outbox)
        return other


class SavedShards:
    """What a store held at one moment, as a snapshot on a disk would."""

    def __init__(self, shards: dict[int, Shard]) -> None:
        self._shards = {number: shard.copied() for number, shard in shards.items()}

    def shards(self) -> dict[int, Shard]:
        """Return a fresh copy."""
        return {number: shard.copied() for number, shard in self._shards.items()}


def apply_step(
    before: Shard,
    after: Shard,
    facts: Sequence[Fact],
    config: InMemoryStoreConfig,
    applied_at_ms: int,
) -> tuple[OutcomeKind, ...]:
    """Change `after`, a copy of `before`, by a prefix of facts; one outcome for each of them."""
    outcomes: list[OutcomeKind] = []
    events: list[PublishedEvent] = []
    removals: list[ReservationRemoved] = []
    remarks: list[Remark] = []
    stocks = _Stocks()
    for fact in facts[: config.facts_per_step_max]:
        if not stocks.admits(fact, _reservation_of(after, fact)):
            break
        outcome = _bounded(
            fact,
            decide(
                after.stocks,
                after.reservations,
                fact,
                settled_entries_max=config.settled_entries_max,
            ),
            config.event_bytes_max,
        )
        outcomes.append(outcome.kind)
        remarks += _remarks_on(outcome, after)
        events += _take(after, fact, outcome, stocks)
        if outcome.change is not None:
            after.changed_at_ms[outcome.change.reservation.id] = applied_at_ms
        if outcome.removal is not None:
            removals.append(outcome.removal)
    events += (*_stock_events(before, after, stocks), *removals)
    if events:
        after.step += 1
        after.outbox[after.step] = OutboxEntry(
            after.step,
            tuple(encode_step(after.number, after.step, events)),
            (*remarks, *_shortfall(before, after), *map(remark_on_removal, removals)),
        )
    return tuple(outcomes)


def _remarks_on(outcome: Outcome, before: Shard) -> Iterator[Remark]:
    change = outcome.change
    if change is not None:
        remark = remark_on(change, before.reservations.get(change.reservation.id))
        if remark is not None:
            yield remark


def _shortfall(before: Shard, after: Shard) -> Iterator[ShortfallRemark]:
    """Only balances and what they leave make a stock short, one in a step."""
    short = [
        stock_id
        for stock_id, stock in after.stocks.items()
        if stock.is_short and not (stock_id in before.stocks and before.stocks[stock_id].is_short)
    ]
    if short:
        yield ShortfallRemark(len(short))


def settlement_key(settlement: Settlement) -> str:
    """Return the follow-up as a member of the settle index."""
    parts = (settlement.account, settlement.warehouse_id, settlement.sku)
    if isinstance(settlement, ReservationSettlementDue):
        return join_key(*parts, settlement.order_id)
    return join_key(*parts)


def _bounded(fact: Fact, outcome: Outcome, event_bytes_max: int) -> Outcome:
    """Refuse what would not fit; what time states is never refused."""
    change = outcome.change
    if isinstance(fact, TIMED_FACTS):
        return outcome
    if change is not None and change_bytes_max(change) > event_bytes_max:
        return Outcome(OutcomeKind.OUT_OF_BOUNDS)
    return outcome


@dataclass(slots=True)
class _Stocks:
    """What the facts of one step have named so far, and how."""

    reservations: set[ReservationId] = field(default_factory=set)
    removed: set[ReservationId] = field(default_factory=set)
    named: set[StockId] = field(default_factory=set)
    balanced: set[StockId] = field(default_factory=set)
    last_touch: dict[StockId, "_Touch"] = field(default_factory=dict)

    def admits(self, fact: Fact, reservation: Reservation | None) -> bool:
        """Tell whether a fact may join the step; a balance has its stock to itself."""
        if isinstance(fact, BalanceCounted | StockSettlementDue):
            stock_id = stock_id_of(fact)
            if stock_id in self.named:
                return False
            self.named.add(stock_id)
            self.balanced.add(stock_id)
            return True
        if not self._admits_reservation(fact, reservation_id_of(fact)):
            return False
        names = _stocks_named(fact, reservation)
        if names & self.balanced:
            return False
        self.named |= names
        return True

    def _admits_reservation(self, fact: Fact, reservation_id: ReservationId) -> bool:
        """Tell whether a fact may join; the end of a retention has its reservation to itself."""
        if reservation_id in self.removed:
            return False
        if isinstance(fact, RetentionReached):
            if reservation_id in self.reservations:
                return False
            self.removed.add(reservation_id)
        self.reservations.add(reservation_id)
        return True


@dataclass(frozen=True, slots=True)
class _Touch:
    """The last fact of a step that touched a stock."""

    fact: Fact
    occurred_at_ms: int


def _take(
    after: Shard, fact: Fact, outcome: Outcome, stocks: _Stocks
) -> tuple[PublishedEvent, ...]:
    """Take over what a fact did; returns the events of its reservation."""
    if isinstance(fact, StockSettlementDue | ReservationSettlementDue):
        after.settlements.pop(fact, None)
    change = outcome.change
    if change is not None:
        after.reservations[change.reservation.id] = change.reservation
    if outcome.removal is not None:
        del after.reservations[outcome.removal.reservation_id]
        del after.changed_at_ms[outcome.removal.reservation_id]
    for stock in outcome.stocks:
        after.stocks[stock.id] = stock
        stocks.last_touch[stock.id] = _Touch(fact, _occurred_at_ms(fact, outcome, stock))
        for settlement in outcome.settlements:
            assert stock.counted_at_ms is not None, "a settlement follows a count"
            after.settlements[settlement] = stock.counted_at_ms
    return () if change is None else (change, *outcome.acknowledgements)


def _occurred_at_ms(fact: Fact, outcome: Outcome, stock: Stock) -> int:
    if outcome.change is not None:
        return outcome.change.occurred_at_ms
    at_ms = fact.counted_at_ms if isinstance(fact, BalanceCounted) else stock.counted_at_ms
    assert at_ms is not None, "a settlement follows a count"
    return at_ms


def _stock_events(before: Shard, after: Shard, stocks: _Stocks) -> Iterator[PublishedEvent]:
    for stock_id, touch in stocks.last_touch.items():
        stock = after.stocks[stock_id]
        if stock == (before.stocks.get(stock_id) or Stock(id=stock_id)):
            continue
        after.stock_versions[stock_id] = after.stock_versions.get(stock_id, 0) + 1
        cause = None if isinstance(touch.fact, TIMED_FACTS) else touch.fact.cause
        yield StockChanged(
            replace(stock, entries=()),
            after.stock_versions[stock_id],
            touch.occurred_at_ms,
            cause if isinstance(touch.fact, BalanceCounted) else None,
            None if cause is None else cause.traceparent,
        )


def _reservation_of(shard: Shard, fact: Fact) -> Reservation | None:
    if isinstance(fact, BalanceCounted | StockSettlementDue):
        return None
    return shard.reservations.get(reservation_id_of(fact))


def _stocks_named(fact: Fact, reservation: Reservation | None) -> set[StockId]:
    if isinstance(fact, RetentionReached):
        return set()
    if isinstance(fact, ReservationSettlementDue):
        return {stock_id_of(fact)}
    if reservation is not None and reservation.lines:
        account = reservation.id.account
        return {StockId(account, line.warehouse_id, line.sku) for line in reservation.lines}
    if isinstance(fact, OrderCompleted):
        return {StockId(fact.account, line.warehouse_id, line.sku) for line in fact.lines}
    return set()
