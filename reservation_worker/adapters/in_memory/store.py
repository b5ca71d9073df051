"""`Store` in memory: the ledger, in the steps, epochs and outboxes of the Lua scripts."""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from threading import RLock

from reservation_worker.adapters.in_memory.shard import (
    InMemoryStoreConfig,
    SavedShards,
    Shard,
    apply_step,
    settlement_key,
)
from reservation_worker.contracts.records import OutputRecord
from reservation_worker.domain.facts import (
    DeadlineReached,
    Fact,
    ReservationSettlementDue,
    RetentionReached,
    reservation_id_of,
)
from reservation_worker.domain.keys import ReservationId, StockId
from reservation_worker.domain.reservation import OVER, Reservation, Status
from reservation_worker.domain.stock import Stock
from reservation_worker.ports import (
    Clock,
    DueWork,
    Look,
    OutboxEntry,
    RetentionAt,
    ShardEpoch,
    ShardState,
    ShardStep,
    StepCall,
    StepRefusal,
    StepRefused,
    StepReply,
    StepsUnderWay,
    StoreUnavailable,
)


class InMemoryStore:
    """The same contract as the scripts keep; tests may also break it the way servers break."""

    def __init__(
        self,
        clock: Clock,
        config: InMemoryStoreConfig | None = None,
        *,
        server: str = "server-1/history-1/0",
        deployment: str = "cluster/group",
    ) -> None:
        self._clock = clock
        self._config = config or InMemoryStoreConfig()
        self._server = server
        self._deployment = deployment
        self._is_available = True
        self._shards: dict[int, Shard] = {}
        self._lock = RLock()

    # ---- what tests do to it

    def seen_by(self, deployment: str) -> "InMemoryStore":
        """Return the same server, as another deployment uses it."""
        other = copy(self)
        other._deployment = deployment  # noqa: SLF001 - its own
        return other

    def become(self, server: str, saved: SavedShards | None = None) -> None:
        """Go on as another server (a restart, a failover), with what an older moment held.

        None: nothing is lost.
        """
        with self._lock:
            self._server = server
            if saved is not None:
                self._shards = saved.shards()

    def saved(self) -> SavedShards:
        """Return what the store holds now."""
        with self._lock:
            return SavedShards(self._shards)

    def set_available(self, *, available: bool) -> None:
        """Begin or end an outage."""
        with self._lock:
            self._is_available = available

    def lose_entry(self, shard: int, step: int) -> None:
        """Take an entry out of a shard's outbox."""
        with self._lock:
            del self._shards[shard].outbox[step]

    def tear(self, shard: int) -> None:
        """Leave the mark of a step that was cut off in the middle."""
        with self._lock:
            self._shards[shard].torn = True

    # ---- what restoring does to it

    def held(self, shard: int) -> Shard:
        """Return a copy of what is there of a shard."""
        with self._lock:
            self._answer()
            return (self._shards.get(shard) or Shard(shard)).copied()

    def put(self, held: Shard) -> None:
        """Take this for what is there of a shard."""
        with self._lock:
            self._shards[held.number] = held

    @property
    def server(self) -> str:
        """Who it is."""
        return self._server

    @property
    def deployment(self) -> str:
        """Whose state the caller means."""
        return self._deployment

    def is_foreign(self, held: Shard) -> bool:
        """Tell whether a shard is another deployment's; one of an older release names none."""
        return held.deployment not in {"", self._deployment}

    # ---- the port

    def now_ms(self) -> int:
        """Return the wall clock that it was given."""
        self._answer()
        return self._clock.now_ms()

    def inspect(self, shard: int) -> ShardState:
        """Read a shard's ``meta`` and the identity of the server."""
        with self._lock:
            self._answer()
            held = self._shards.get(shard) or Shard(shard)
            if self.is_foreign(held):
                told = held.deployment
                return ShardState(0, 0, 0, False, "", self._server, foreign=told)  # noqa: FBT003
            return ShardState(
                held.epoch,
                held.step,
                held.published,
                held.torn,
                held.verified_server,
                self._server,
                held.demanded,
                held.adopts,
            )

    def step(self, shard: int, epoch: int, facts: Sequence[Fact]) -> StepReply | StepRefused:
        """Apply a prefix of facts of one shard, in order."""
        return self._step(StepCall(shard, epoch, facts))

    def _step(self, call: StepCall) -> StepReply | StepRefused:
        shard, epoch, facts = call.shard, call.epoch, call.facts
        assert facts, "a step needs a fact"
        with self._lock:
            held = self._admitted(shard, epoch)
            if isinstance(held, StepRefused):
                return held
            if held.step - held.published >= self._config.outbox_steps_max:
                return StepRefused(StepRefusal.OUTBOX_FULL, held.epoch)
            after = held.copied()
            applied_at_ms = call.applied_at_ms(self._clock.now_ms())
            outcomes = apply_step(held, after, facts, self._config, applied_at_ms)
            self._shards[shard] = after
            return StepReply(outcomes, after.step, after.published)

    def begin_steps(self, calls: Sequence[StepCall]) -> StepsUnderWay:
        """Run the steps; an outage shows only when the replies are taken."""
        try:
            return _Answered([self._step(one) for one in calls])
        except StoreUnavailable as outage:
            return _Answered(outage)

    def read_outbox(
        self, after: Sequence[ShardStep], entries_max: int
    ) -> tuple[tuple[OutboxEntry[OutputRecord], ...] | StepRefused, ...]:
        """Return each shard's next entries behind a step, in order, without gaps."""
        with self._lock:
            return tuple([self._read_outbox(one, entries_max) for one in after])

    def mark_published(self, steps: Sequence[ShardStep]) -> tuple[StepRefused | None, ...]:
        """Record that each shard's outbox is published up to a step, and trim it."""
        with self._lock:
            return tuple([self._mark_published(one) for one in steps])

    def due(
        self, shards: Sequence[ShardEpoch], expired_up_to_ms: int, facts_max: int
    ) -> tuple[DueWork | StepRefused, ...]:
        """Return each shard's deadlines at or before an instant, and settlements that wait."""
        assert facts_max >= 1, "no number means infinity"
        with self._lock:
            return tuple([self._due(one, expired_up_to_ms, facts_max) for one in shards])

    def removable(
        self, shards: Sequence[ShardEpoch], retention: RetentionAt, facts_max: int
    ) -> tuple[tuple[RetentionReached, ...] | StepRefused, ...]:
        """Return what of each shard has been kept long enough, oldest first."""
        assert facts_max >= 1, "no number means infinity"
        with self._lock:
            return tuple([self._removable(one, retention, facts_max) for one in shards])

    def look(self, published: Sequence[ShardStep], shards: Sequence[int]) -> Look:
        """Mark what is published, and tell of shards whether there is anything new."""
        with self._lock:
            self._answer()
            return Look(
                self.mark_published(published),
                tuple([(self._shards.get(shard) or Shard(shard)).step for shard in shards]),
            )

    def claim(self, shard: int, inspected: ShardState, epoch: int) -> bool:
        """Write epoch and server into ``meta`` if it still says what was inspected."""
        with self._lock:
            self._answer()
            held = self._shards.get(shard) or Shard(shard)
            if self.is_foreign(held) or inspected.server != self._server or held.torn:
                return False
            if held.epoch == 0:
                if inspected.epoch:
                    return False
                held = replace(held, step=inspected.step, published=inspected.step)
            elif held.epoch == epoch:
                return held.verified_server == self._server and bool(held.deployment)
            elif held.epoch > epoch or (held.epoch, held.step, held.verified_server) != (
                inspected.epoch,
                inspected.step,
                inspected.verified_server,
            ):
                return False
            self._shards[shard] = replace(
                held, epoch=epoch, verified_server=self._server, deployment=self._deployment
            )
            return True

    def reservation(self, shard: int, reservation_id: ReservationId) -> Reservation | None:
        """Return a reservation for display; None where there is none."""
        with self._lock:
            self._answer()
            return (self._shards.get(shard) or Shard(shard)).reservations.get(reservation_id)

    def stock(self, shard: int, stock_id: StockId) -> Stock | None:
        """Return a stock for display, without its entries; None where there is none."""
        with self._lock:
            self._answer()
            stock = (self._shards.get(shard) or Shard(shard)).stocks.get(stock_id)
            return None if stock is None else replace(stock, entries=())

    def _due(self, one: ShardEpoch, expired_up_to_ms: int, facts_max: int) -> DueWork | StepRefused:
        held = self._admitted(one.shard, one.epoch)
        if isinstance(held, StepRefused):
            return held
        if any(
            isinstance(one, ReservationSettlementDue)
            and reservation_id_of(one) not in held.reservations
            for one in held.settlements
        ):
            return StepRefused(StepRefusal.INCOMPLETE, held.epoch)
        deadlines = sorted(
            (one.expires_at_ms, one.id.key, one.id)
            for one in held.reservations.values()
            if one.expires_at_ms is not None and one.expires_at_ms <= expired_up_to_ms
        )
        settlements = sorted(
            held.settlements, key=lambda one: (held.settlements[one], settlement_key(one))
        )
        return DueWork(
            tuple(
                DeadlineReached(reservation_id.account, reservation_id.order_id, at_ms)
                for at_ms, _, reservation_id in deadlines[:facts_max]
            ),
            tuple(settlements[:facts_max]),
        )

    def _removable(
        self, one: ShardEpoch, retention: RetentionAt, facts_max: int
    ) -> tuple[RetentionReached, ...] | StepRefused:
        held = self._admitted(one.shard, one.epoch)
        if isinstance(held, StepRefused):
            return held
        facts: list[RetentionReached] = []
        for statuses, kept_ms in (
            (OVER, retention.over_ms),
            (frozenset({Status.AWAITING}), retention.awaiting_ms),
        ):
            found = sorted(
                (held.changed_at_ms[one.id] + kept_ms, one.id.key, one)
                for one in held.reservations.values()
                if one.status in statuses
                and held.changed_at_ms[one.id] + kept_ms <= retention.now_ms
            )
            facts += [
                RetentionReached(one.id.account, one.id.order_id, one.version, reached_at_ms)
                for reached_at_ms, _, one in found
            ]
        return tuple(sorted(facts, key=lambda fact: fact.reached_at_ms)[:facts_max])

    def _read_outbox(
        self, after: ShardStep, entries_max: int
    ) -> tuple[OutboxEntry[OutputRecord], ...] | StepRefused:
        held = self._admitted(after.shard, after.epoch)
        if isinstance(held, StepRefused):
            return held
        last_step = min(held.step, after.step + entries_max)
        if last_step > after.step and after.step + 1 not in held.outbox:
            return StepRefused(StepRefusal.INCOMPLETE, held.epoch)
        return tuple(held.outbox[step] for step in range(after.step + 1, last_step + 1))

    def _mark_published(self, mark: ShardStep) -> StepRefused | None:
        held = self._admitted(mark.shard, mark.epoch)
        if isinstance(held, StepRefused):
            return held
        if mark.step > held.step:
            return StepRefused(StepRefusal.INCOMPLETE, held.epoch)
        held.published = max(held.published, mark.step)
        held.outbox = {n: entry for n, entry in held.outbox.items() if n > held.published}
        return None

    def _admitted(self, shard: int, epoch: int) -> Shard | StepRefused:
        self._answer()
        held = self._shards.get(shard)
        if held is None:
            return StepRefused(StepRefusal.EPOCH, 0)
        if self.is_foreign(held):
            return StepRefused(StepRefusal.FOREIGN, 0)
        if not held.deployment or held.verified_server != self._server:
            return StepRefused(StepRefusal.SERVER, held.epoch)
        if held.epoch != epoch:
            return StepRefused(StepRefusal.EPOCH, held.epoch)
        if held.torn:
            return StepRefused(StepRefusal.TORN, held.epoch)
        return held

    def _answer(self) -> None:
        if not self._is_available:
            raise StoreUnavailable("the store is not available for now")


class _Answered:
    """Steps that were run as they were sent."""

    def __init__(self, answer: Sequence[StepReply | StepRefused] | StoreUnavailable) -> None:
        self._answer = answer

    def replies(self) -> tuple[StepReply | StepRefused, ...]:
        """Return the replies, or say that the store was away."""
        if isinstance(self._answer, StoreUnavailable):
            raise self._answer
        return tuple(self._answer)
