"""A worker without Kafka and Redis: the ledger decides, and topics are lists of records."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from typing import assert_never

from reservation_worker.audit.judge import judge
from reservation_worker.audit.topics import AuditConfig
from reservation_worker.audit.verdict import Verdict
from reservation_worker.contracts.dead_letters import DeadLetterLimits, dead_letter
from reservation_worker.contracts.decode import AccountPolicy, Decoder, DecoderConfig
from reservation_worker.contracts.encode import encode_step
from reservation_worker.contracts.inputs import FactKind
from reservation_worker.contracts.records import (
    EVENT_TOPICS,
    Headers,
    Record,
    Rejection,
    rejection_of,
)
from reservation_worker.domain.facts import (
    BalanceCounted,
    DeadlineReached,
    Fact,
    RetentionReached,
    Settlement,
    StockSettlementDue,
)
from reservation_worker.domain.keys import ReservationId, StockId, shard_of
from reservation_worker.domain.ledger import Outcome, decide
from reservation_worker.domain.outcome import (
    PublishedEvent,
    ReservationChanged,
    ReservationRemoved,
    StockChanged,
    UnitsAcknowledged,
)
from reservation_worker.domain.reservation import REMOVABLE, Reservation, Status
from reservation_worker.domain.stock import Stock

SHARDS_TOTAL = 4
GRACE_MS = 1_000
SETTLED_ENTRIES_MAX = 5
OVER_RETENTION_MS = 20_000
AWAITING_RETENTION_MS = 30_000
RETENTION_MIN_MS = min(OVER_RETENTION_MS, AWAITING_RETENTION_MS)
DEAD_LETTER_TOPIC = "reservation-dead-letter"
INPUT_TOPICS = {
    "order-completed": FactKind.ORDER_COMPLETED,
    "payment-approved": FactKind.PAYMENT_APPROVED,
    "order-invoiced": FactKind.ORDER_INVOICED,
    "order-canceled": FactKind.ORDER_CANCELED,
    "inventory-updated": FactKind.INVENTORY_UPDATED,
}
DECODER = Decoder(
    DecoderConfig(topics=INPUT_TOPICS, accounts={"market": AccountPolicy(reacquire=False)})
)
LIMITS = DeadLetterLimits(group_id="reservation-worker", record_bytes_max=1_000_000)


class LedgerWorker:
    """Takes input records one by one; each fact is a step of its own."""

    def __init__(self) -> None:
        self.inputs: list[Record] = []
        self.outputs: list[Record] = []
        self.stocks: dict[StockId, Stock] = {}
        self.reservations: dict[ReservationId, Reservation] = {}
        self.now_ms = 0
        self._offsets: Counter[tuple[str, int]] = Counter()
        self._steps: Counter[int] = Counter()
        self._versions: Counter[StockId] = Counter()
        self._settlements: list[Settlement] = []
        self._deadlines: dict[ReservationId, int] = {}
        self._changed_at_ms: dict[ReservationId, int] = {}
        """In the order of these times."""

    def receive(self, topic: str, value: bytes | None, at_ms: int, headers: Headers = ()) -> Record:
        """Append a record to an input topic and return it, unread."""
        self.now_ms = at_ms
        record = Record(topic, 0, self._next(topic, 0), at_ms, b"key", value, headers)
        self.inputs.append(record)
        return record

    def take(self, record: Record) -> None:
        """Do what a record states, and publish it."""
        stated = DECODER.decode(record, self.now_ms)
        if isinstance(stated, Rejection):
            self._dead_letter(record, stated)
            return
        rejection = rejection_of(self.step(stated).kind)
        if rejection is not None:
            self._dead_letter(record, rejection)

    def pass_time(self, now_ms: int) -> None:
        """State what is due: settlements, and deadlines whose grace has passed."""
        self.now_ms = now_ms
        for reservation_id, expires_at_ms in list(self._deadlines.items()):
            if expires_at_ms + GRACE_MS <= now_ms:
                self.step(
                    DeadlineReached(reservation_id.account, reservation_id.order_id, expires_at_ms)
                )
        while self._settlements:
            self.step(self._settlements.pop(0))
        kept_since_ms = now_ms - RETENTION_MIN_MS
        kept = takewhile(lambda one: one[1] <= kept_since_ms, self._changed_at_ms.items())
        for reservation_id, changed_at_ms in list(kept):
            self._remove_if_over(self.reservations[reservation_id], changed_at_ms)

    def _remove_if_over(self, reservation: Reservation, changed_at_ms: int) -> None:
        if reservation.status not in REMOVABLE:
            return
        is_awaiting = reservation.status is Status.AWAITING
        reached_at_ms = changed_at_ms + (
            AWAITING_RETENTION_MS if is_awaiting else OVER_RETENTION_MS
        )
        if reached_at_ms <= self.now_ms:
            account, order_id = reservation.id.account, reservation.id.order_id
            self.step(RetentionReached(account, order_id, reservation.version, reached_at_ms))

    def step(self, fact: Fact) -> Outcome:
        """Decide one fact and publish what it did."""
        before = dict(self.stocks)
        outcome = decide(
            self.stocks, self.reservations, fact, settled_entries_max=SETTLED_ENTRIES_MAX
        )
        self._settlements += outcome.settlements
        events: list[PublishedEvent] = []
        if outcome.change is not None:
            changed = outcome.change.reservation
            self.reservations[changed.id] = changed
            self._deadlines.pop(changed.id, None)
            if changed.expires_at_ms is not None:
                self._deadlines[changed.id] = changed.expires_at_ms
            self._changed_at_ms.pop(changed.id, None)
            self._changed_at_ms[changed.id] = self.now_ms
            events += [outcome.change, *outcome.acknowledgements]
        for stock in outcome.stocks:
            self.stocks[stock.id] = stock
            if replace(stock, entries=()) != replace(
                before.get(stock.id) or Stock(stock.id), entries=()
            ):
                events.append(self._stock_changed(stock, fact))
        if outcome.removal is not None:
            del self.reservations[outcome.removal.reservation_id]
            del self._changed_at_ms[outcome.removal.reservation_id]
            events.append(outcome.removal)
        if events:
            self.publish(events)
        return outcome

    def verdict(self, audited_at_ms: int | None = None) -> Verdict:
        """Return what the auditor says of all topics."""
        config = AuditConfig(
            shards_total=SHARDS_TOTAL,
            output_topics={topic.value: topic for topic in EVENT_TOPICS},
            dead_letter_topic=DEAD_LETTER_TOPIC,
            grace_ms=GRACE_MS,
            audited_at_ms=self.now_ms if audited_at_ms is None else audited_at_ms,
            expiry_delay_max_ms=5_000,
            settled_entries_max=SETTLED_ENTRIES_MAX,
            over_retention_ms=OVER_RETENTION_MS,
            awaiting_retention_ms=AWAITING_RETENTION_MS,
        )
        return judge(self.inputs, self.outputs, DECODER, config)

    def _stock_changed(self, stock: Stock, fact: Fact) -> StockChanged:
        self._versions[stock.id] += 1
        cause = fact.cause if isinstance(fact, BalanceCounted) else None
        if isinstance(fact, StockSettlementDue):
            cause = stock.counted_by
        return StockChanged(
            stock=replace(stock, entries=()),
            version=self._versions[stock.id],
            occurred_at_ms=0,
            cause=cause,
            traceparent=None,
        )

    def publish(self, events: Sequence[PublishedEvent]) -> None:
        """Publish the events of a step."""
        shard = shard_of(account_of(events[0]), SHARDS_TOTAL)
        self._steps[shard] += 1
        for one in encode_step(shard, self._steps[shard], events):
            partition = max(0, one.partition)
            offset = self._next(one.topic, partition)
            self.outputs.append(
                Record(
                    one.topic,
                    partition,
                    offset,
                    self.now_ms,
                    one.key,
                    one.value,
                    tuple(one.headers),
                )
            )

    def _dead_letter(self, record: Record, rejection: Rejection) -> None:
        letter = dead_letter(record, rejection, LIMITS, self.now_ms)
        offset = self._next(DEAD_LETTER_TOPIC, 0)
        self.outputs.append(
            Record(
                DEAD_LETTER_TOPIC, 0, offset, self.now_ms, letter.key, letter.value, letter.headers
            )
        )

    def _next(self, topic: str, partition: int) -> int:
        self._offsets[topic, partition] += 1
        return self._offsets[topic, partition] - 1


def account_of(event: PublishedEvent) -> str:
    """Return the account that an event speaks of."""
    match event:
        case ReservationChanged():
            return event.reservation.id.account
        case UnitsAcknowledged():
            return event.account
        case StockChanged():
            return event.stock.id.account
        case ReservationRemoved():
            return event.reservation_id.account
        case _:
            assert_never(event)
