"""Outbox entries to output records, in order, in one transaction."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import structlog

from reservation_worker.contracts.records import EVENT_TOPICS, OutputRecord
from reservation_worker.domain.outcome import AnyRemark
from reservation_worker.ports import (
    BrokerUnavailable,
    Clock,
    CommitFateUnknown,
    Membership,
    OutboxEntry,
    OwnershipLost,
    Position,
    ShardStep,
    StepRefusal,
    StepRefused,
    Store,
    Transactions,
    Waypoint,
)
from reservation_worker.telemetry.labels import Invariant, TransactionResult
from reservation_worker.telemetry.log_events import EVENT_OVERSIZED
from reservation_worker.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class PublishConfig:
    """How much one transaction may carry; a single outbox entry may exceed it."""

    entries_per_shard_max: int = 16
    """Outbox entries (steps) of one shard that are read at once."""
    records_per_transaction_max: int = 20_000
    bytes_per_transaction_max: int = 16 * 1024 * 1024
    event_bytes_max: int = 900_000
    """A larger event can only be time's, behind inputs that were judged by a larger bound: it is
    published, and said.
    """


@dataclass(frozen=True, slots=True)
class PublishParts:
    """What a publisher is built from; it alone uses ``transactions`` while it publishes."""

    store: Store[OutputRecord]
    transactions: Transactions[OutputRecord]
    clock: Clock
    metrics: Metrics
    waypoint: Callable[[Waypoint], None] = lambda _waypoint: None


@dataclass(frozen=True, slots=True)
class Publication:
    """What one attempt did."""

    positions: Mapping[int, Position]
    """Of the shards of which something was published."""
    records_total: int
    """How many records that was."""
    outbox_ends: Mapping[int, int]
    """The latest step of each shard that had something to publish, when it was looked at."""
    refused: Mapping[int, StepRefusal]
    """Shards that must be taken over again before anything else of them is published."""


@dataclass(slots=True)
class _Load:
    """What one transaction will carry."""

    records: list[OutputRecord] = field(default_factory=list)
    remarks: list[AnyRemark] = field(default_factory=list)
    positions: dict[int, Position] = field(default_factory=dict)
    oversized: list[OutputRecord] = field(default_factory=list)
    bytes_total: int = 0


class OutboxAge:
    """For how long something has waited to be published: reckoned anew whenever it is asked for."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._waiting: dict[int, tuple[int, int]] = {}
        """By shard a step that is not published, and when it was first seen."""

    def look(self, ends: Mapping[int, int], owned: Mapping[int, Position]) -> None:
        """Take the latest step of each shard that has something to publish."""
        now_ms = self._now_ms()
        self._waiting = {
            shard: seen
            for shard, seen in self._waiting.items()
            if shard in ends and seen[0] > owned[shard].step
        }
        for shard, end in ends.items():
            self._waiting.setdefault(shard, (end, now_ms))

    def seconds(self) -> float:
        """Return the age of the oldest; 0: nothing waits."""
        now_ms = self._now_ms()
        return max((now_ms - at_ms for _, at_ms in self._waiting.copy().values()), default=0) / 1000


class Publisher:
    """Publishes the outboxes of shards that the caller owns, in the epoch of their positions."""

    def __init__(self, config: PublishConfig, parts: PublishParts) -> None:
        self._config = config
        self._parts = parts
        self._logger = structlog.get_logger()
        self._unmarked: dict[int, Position] = {}
        """Published shards of which the store could not be told."""
        self._first_shard = 0
        self._age = OutboxAge(parts.clock.monotonic_ms)
        parts.metrics.outbox_oldest.set_function(self._age.seconds)

    def publish(self, owned: Mapping[int, Position], membership: Membership) -> Publication:
        """Publish what waits, as far as one transaction carries it.

        The membership must have been captured, with the ownership, before this call.

        Raises:
            StoreUnavailable: nothing more can be read; what was committed stays in effect.
            BrokerUnavailable: the transaction was aborted.
            OwnershipLost: likewise.
            CommitFateUnknown: every shard must be taken over again.
        """
        refused: dict[int, StepRefusal] = {}
        load = _Load()
        ends = self._waiting(owned, refused)
        self._age.look(ends, owned)
        waiting = [shard for shard in ends if shard not in refused]
        outboxes = self._parts.store.read_outbox(
            [ShardStep(shard, owned[shard].minted, owned[shard].step) for shard in waiting],
            self._config.entries_per_shard_max,
        )
        for shard, entries in zip(waiting, outboxes, strict=True):
            position = owned[shard]
            if isinstance(entries, StepRefused):
                if entries.reason is StepRefusal.MOVES:
                    continue
                refused[shard] = entries.reason
                if entries.reason is StepRefusal.INCOMPLETE:
                    self._parts.metrics.invariant_violations.labels(
                        invariant=Invariant.OUTBOX_CONTIGUOUS
                    ).inc()
            else:
                self._add(load, shard, position, entries)
        if load.positions:
            self._commit(load, membership)
            self._unmarked.update(load.positions)
        return Publication(load.positions, len(load.records), ends, refused)

    def forget(self) -> None:
        """Drop what the store was to be told: its shards are taken over again."""
        self._unmarked.clear()

    def _waiting(
        self, owned: Mapping[int, Position], refused: dict[int, StepRefusal]
    ) -> Mapping[int, int]:
        """Tell the store what is published; return the latest step of each shard behind it.

        They begin with another one each time. A shard on its way to another server waits.
        """
        shards = sorted(owned)
        marks = [
            ShardStep(shard, position.minted, position.step)
            for shard, position in self._unmarked.items()
            if shard in owned and owned[shard].minted == position.minted
        ]
        if not shards:
            self._unmarked.clear()
            return {}
        if marks:
            self._parts.waypoint(Waypoint.PUBLISH_BEFORE_TRIM)
        look = self._parts.store.look(marks, shards)
        marked = dict(zip([mark.shard for mark in marks], look.marked, strict=True))
        moving = {shard for shard, one in marked.items() if one and one.reason is StepRefusal.MOVES}
        self._unmarked = {shard: self._unmarked[shard] for shard in moving}
        if marks:
            self._parts.waypoint(Waypoint.PUBLISH_AFTER_TRIM)
        for shard, reply in marked.items():
            if reply is not None and shard not in moving:
                refused[shard] = reply.reason
        steps = {
            shard: step
            for shard, step in zip(shards, look.latest_steps, strict=True)
            if step is not None
        }
        for shard, step in steps.items():
            if step < owned[shard].step:
                # Published steps are missing: the verification says what to do.
                refused[shard] = StepRefusal.SERVER
        waiting = [shard for shard, step in steps.items() if step > owned[shard].step]
        self._parts.metrics.outbox_steps.set(
            sum(steps[shard] - owned[shard].step for shard in waiting)
        )
        if waiting:
            self._first_shard = (self._first_shard + 1) % len(waiting)
        in_turn = waiting[self._first_shard :] + waiting[: self._first_shard]
        return {shard: steps[shard] for shard in in_turn}

    def _is_full(self, load: _Load) -> bool:
        return (
            len(load.records) >= self._config.records_per_transaction_max
            or load.bytes_total >= self._config.bytes_per_transaction_max
        )

    def _add(
        self,
        load: _Load,
        shard: int,
        position: Position,
        entries: tuple[OutboxEntry[OutputRecord], ...],
    ) -> None:
        for entry in entries:
            if self._is_full(load):
                return
            load.records += entry.records
            load.remarks += entry.remarks
            sizes = [len(record.value or b"") for record in entry.records]
            load.bytes_total += sum(sizes)
            if max(sizes) > self._config.event_bytes_max:
                load.oversized += [
                    record
                    for record, size in zip(entry.records, sizes, strict=True)
                    if size > self._config.event_bytes_max
                ]
            load.positions[shard] = replace(position, served=position.minted, step=entry.step)

    def _commit(self, load: _Load, membership: Membership) -> None:
        self._parts.waypoint(Waypoint.PUBLISH_OUTBOX_READ)
        results = self._parts.metrics.transactions
        try:
            self._parts.transactions.commit(load.records, load.positions, membership)
        except (BrokerUnavailable, OwnershipLost):
            results.labels(result=TransactionResult.ABORTED).inc()
            raise
        except CommitFateUnknown:
            results.labels(result=TransactionResult.UNKNOWN).inc()
            raise
        results.labels(result=TransactionResult.COMMITTED).inc()
        self._parts.waypoint(Waypoint.PUBLISH_AFTER_COMMIT)
        topics = [record.topic for record in load.records]
        for topic in EVENT_TOPICS:
            self._parts.metrics.events_published.labels(topic=topic).inc(topics.count(topic))
        for remark in load.remarks:
            self._parts.metrics.count_published(remark)
        for record in load.oversized:
            self._tell_of_oversized(record)

    def _tell_of_oversized(self, record: OutputRecord) -> None:
        self._parts.metrics.events_oversized.labels(topic=record.topic).inc()
        self._logger.warning(
            EVENT_OVERSIZED,
            reason="a deadline or a settlement is never refused for its size; "
            "redis.event_bytes_max was larger when the order's own facts were judged",
            topic=record.topic,
            partition=record.partition,
            event_id=dict(record.headers)["ce_id"].decode(),
            event_bytes=len(record.value or b""),
            event_bytes_max=self._config.event_bytes_max,
        )
