"""The schedule, and the payment frontier that holds it back."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import assert_never

import structlog

from reservation_worker.contracts.records import OutputRecord, rejection_of
from reservation_worker.domain.facts import DeadlineReached, RetentionReached, TimedFact
from reservation_worker.domain.outcome import OutcomeKind
from reservation_worker.ports import (
    Clock,
    DueWork,
    PaymentOffsets,
    RetentionAt,
    ShardEpoch,
    StepCall,
    StepRefusal,
    StepRefused,
    StepReply,
    Store,
    Unavailable,
    Waypoint,
)
from reservation_worker.telemetry.labels import FactLabel, OutcomeLabel, fact_label
from reservation_worker.telemetry.log_events import (
    DEADLINES_APPLIED,
    FRONTIER_RECOVERED,
    FRONTIER_STALLED,
    RESERVATIONS_REMOVED,
)
from reservation_worker.telemetry.metrics import Metrics

NOTHING_EXPIRES_MS = -(10**15)
"""No deadline is at or before this instant: integers have fewer digits. Without a frontier nothing
expires, however long ago its deadline is.
"""


@dataclass(frozen=True, slots=True)
class DeadlinesConfig:
    """When an unpaid reservation is given back, and how much at a time."""

    grace_ms: int = 60_000
    """A payment made at the deadline has so long to reach its topic."""
    sample_interval_ms: int = 1_000
    """Time between two looks at the clock and at the payment topic."""
    facts_per_look_max: int = 200
    """What one look states, in all shards together, and at least one in each that has any: what
    else happens waits for its steps and for its transaction.
    """


@dataclass(frozen=True, slots=True)
class RetentionConfig:
    """How long a reservation is kept after a step has changed it last."""

    over_ms: int = 30 * 86_400_000
    """Of those that are over."""
    awaiting_ms: int = 30 * 86_400_000
    """Of those whose order has not come."""
    facts_per_look_max: int = 200
    """So many leave at a time, of all shards together."""


@dataclass(frozen=True, slots=True)
class _Sample:
    clock_ms: int
    """Read before the offsets were."""
    topic_id: str
    ends: Mapping[int, int]


class PaymentFrontier:
    """Every payment that was in its topic at the frontier is applied and published."""

    def __init__(
        self,
        payments: PaymentOffsets,
        store: Store[OutputRecord],
        clock: Clock,
        metrics: Metrics,
        stalled_after_ms: int = 60_000,
    ) -> None:
        self._payments = payments
        self._store = store
        self._clock = clock
        self._stalled_after_ms = stalled_after_ms
        self._logger = structlog.get_logger()
        self._sample: _Sample | None = None
        self._begun_at_ms = clock.monotonic_ms()
        self._stalled = False
        self._beyond: tuple[int, ...] = ()
        self._waits_for = "It was not looked for yet."
        self.reached_ms: int | None = None
        """Milliseconds since the epoch; None: not known, nothing may expire."""
        metrics.payment_frontier_age.set_function(self.age_seconds)

    def age_seconds(self) -> float:
        """Return how old the frontier is now; infinite while there is none."""
        reached_ms = self.reached_ms
        return inf if reached_ms is None else max(0, self._clock.now_ms() - reached_ms) / 1000

    def delay(self) -> str | None:
        """Say for how long nothing has expired, and why; None while the frontier moves.

        It is no reason to be unready: everything else goes on, and waiting is what it is for.
        """
        age_ms = self.age_seconds() * 1000
        if age_ms == inf:
            since_ms = self._clock.monotonic_ms() - self._begun_at_ms
            how_long = "is not known"
        else:
            since_ms = int(age_ms)
            how_long = f"is {since_ms // 1000} s old"
        if since_ms < self._stalled_after_ms:
            return None
        return f"The payment frontier {how_long}, so nothing expires: {self._waits_for}"

    def tell(self) -> None:
        """Log once that it does not move any more, and once that it does again."""
        delay = self.delay()
        if self._stalled == (delay is not None):
            return
        self._stalled = delay is not None
        if delay is None:
            self._logger.info(FRONTIER_RECOVERED)
        else:
            self._logger.error(FRONTIER_STALLED, reason=delay, partitions=list(self._beyond))

    def advance(self) -> None:
        """Move the frontier to the last sampled clock if the payments up to then are committed.

        Raises:
            StoreUnavailable: the frontier stays where it is.
            BrokerUnavailable: likewise.
        """
        try:
            self._advance()
        except Unavailable as error:
            self._waits_for = str(error)
            raise
        finally:
            self.tell()

    def _advance(self) -> None:
        fresh = self._take_sample()
        committed = self._payments.committed_offsets(fresh.topic_id)
        if any(offset > fresh.ends.get(number, 0) for number, offset in committed.items()):
            # Either more came in since the ends were read, or the topic is another one now.
            ends = self._payments.ends().offsets
            beyond = {
                number: offset
                for number, offset in committed.items()
                if offset > ends.get(number, 0)
            }
            if beyond:
                self._stall(beyond)
                return
        self._beyond = ()
        if self._sample is None or not _is_of_the_same(self._sample, fresh):
            self._sample = fresh
        if _reached(fresh.ends, committed):
            self.reached_ms = fresh.clock_ms
            self._sample = None
        elif _reached(self._sample.ends, committed):
            self.reached_ms = self._sample.clock_ms
            self._sample = fresh
        self._waits_for = _lag(fresh.ends, committed)

    def _take_sample(self) -> _Sample:
        clock_ms = min(self._clock.now_ms(), self._store.now_ms())
        ends = self._payments.ends()
        return _Sample(clock_ms, ends.topic_id, ends.offsets)

    def _stall(self, beyond: Mapping[int, int]) -> None:
        """Stop all expiry: nobody can tell which payments were never read."""
        self.reached_ms = None
        self._sample = None
        self._begun_at_ms = min(
            self._begun_at_ms, self._clock.monotonic_ms() - self._stalled_after_ms
        )
        self._beyond = tuple(sorted(beyond))
        self._waits_for = (
            "committed offsets of the payment topic lie beyond its end: was it created anew?"
        )


@dataclass(frozen=True, slots=True)
class ScheduleParts:
    """What the schedule is built from."""

    store: Store[OutputRecord]
    frontier_ms: Callable[[], int | None]
    clock: Clock
    metrics: Metrics
    waypoint: Callable[[Waypoint], None] = lambda _waypoint: None
    retention: RetentionConfig | None = None
    """None: nothing is ever removed."""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """What one look at a shard's due index brought."""

    stepped: bool
    """Something is to be published."""
    more: bool
    """There may be more to do at once."""
    refusal: StepRefusal | None


class Schedule:
    """States what time and balances have left to do, for the shards of their owner."""

    def __init__(self, config: DeadlinesConfig, parts: ScheduleParts) -> None:
        self._config = config
        self._parts = parts
        self._logger = structlog.get_logger()

    def run(self, shards: Sequence[ShardEpoch]) -> Mapping[int, Scheduled]:
        """State what is due, as much as one look may, shared out among the shards.

        Raises:
            StoreUnavailable: what was stated stays in effect; the rest is still due.
        """
        if not shards:
            return {}
        frontier_ms = self._parts.frontier_ms()
        expired_up_to_ms = NOTHING_EXPIRES_MS
        if frontier_ms is not None:
            expired_up_to_ms = frontier_ms - self._config.grace_ms
        facts_max = self._config.facts_per_look_max
        looks = self._parts.store.due(shards, expired_up_to_ms, facts_max)
        busy = [
            one
            for one in looks
            if not isinstance(one, StepRefused) and (one.deadlines or one.settlements)
        ]
        share = _share(facts_max, len(busy))
        return self._state(
            shards,
            [one if isinstance(one, StepRefused) else _shared_out(one, share) for one in looks],
            (Waypoint.SCHEDULE_DUE_READ, Waypoint.SCHEDULE_STEPPED),
        )

    def remove(self, shards: Sequence[ShardEpoch]) -> Mapping[int, Scheduled]:
        """Remove what has been kept long enough, as much as one look may, of all shards.

        By the smaller of two clocks: one that is set forward makes nothing leave early.

        Raises:
            StoreUnavailable: what was removed stays so; the rest is still there.
        """
        retention = self._parts.retention
        if retention is None or not shards:
            return {}
        store = self._parts.store
        now_ms = min(self._parts.clock.now_ms(), store.now_ms())
        at = RetentionAt(now_ms, retention.over_ms, retention.awaiting_ms)
        looks = store.removable(shards, at, retention.facts_per_look_max)
        busy = [one for one in looks if one and not isinstance(one, StepRefused)]
        share = _share(retention.facts_per_look_max, len(busy))
        return self._state(
            shards,
            [one if isinstance(one, StepRefused) else one[:share] for one in looks],
            (Waypoint.RETENTION_READ, Waypoint.RETENTION_STEPPED),
        )

    def _state(
        self,
        shards: Sequence[ShardEpoch],
        looks: Sequence[tuple[TimedFact, ...] | StepRefused],
        around: tuple[Waypoint, Waypoint],
    ) -> Mapping[int, Scheduled]:
        """Run one step of each shard that has something to do; `around` is passed by each time."""
        before, after = around
        scheduled: dict[int, Scheduled] = {}
        calls: list[tuple[StepCall, tuple[TimedFact, ...]]] = []
        for one, facts in zip(shards, looks, strict=True):
            if isinstance(facts, StepRefused):
                refusal = facts.reason
                scheduled[one.shard] = Scheduled(stepped=False, more=False, refusal=refusal)
            elif facts:
                calls.append((StepCall(one.shard, one.epoch, facts), facts))
            else:
                scheduled[one.shard] = Scheduled(stepped=False, more=False, refusal=None)
        if calls:
            self._parts.waypoint(before)
            steps = self._parts.store.begin_steps([call for call, _facts in calls])
            for (call, facts), reply in zip(calls, steps.replies(), strict=True):
                if isinstance(reply, StepReply):
                    self._parts.waypoint(after)
                scheduled[call.shard] = self._stated(call.shard, facts, reply)
        return scheduled

    def _stated(
        self, shard: int, facts: tuple[TimedFact, ...], reply: StepReply | StepRefused
    ) -> Scheduled:
        match reply:
            case StepRefused():
                return Scheduled(stepped=False, more=False, refusal=reply.reason)
            case StepReply():
                self._count(shard, facts, reply)
                more = any(outcome is not OutcomeKind.REPEAT for outcome in reply.outcomes)
                return Scheduled(stepped=True, more=more, refusal=None)
            case _:
                assert_never(reply)

    def _count(self, shard: int, facts: tuple[TimedFact, ...], reply: StepReply) -> None:
        counts: Counter[tuple[FactLabel, OutcomeLabel]] = Counter()
        now_ms = self._parts.clock.now_ms()
        expired_total = removed_total = 0
        for fact, outcome in zip(facts, reply.outcomes, strict=False):
            label = (
                OutcomeLabel.DEAD_LETTERED if rejection_of(outcome) else OutcomeLabel(outcome.value)
            )
            counts[fact_label(fact), label] += 1
            if isinstance(fact, DeadlineReached) and outcome is OutcomeKind.CHANGED:
                expired_total += 1
                lateness_ms = now_ms - self._config.grace_ms - fact.expires_at_ms
                self._parts.metrics.expiry_lateness.observe(lateness_ms / 1000)
            elif isinstance(fact, RetentionReached) and outcome is OutcomeKind.CHANGED:
                removed_total += 1
        for (kind, label), facts_total in counts.items():
            self._parts.metrics.facts.labels(fact=kind, outcome=label).inc(facts_total)
        if expired_total:
            self._logger.info(DEADLINES_APPLIED, shard=shard, deadlines=expired_total)
        if removed_total:
            self._logger.info(RESERVATIONS_REMOVED, shard=shard, reservations=removed_total)


def _is_of_the_same(sample: _Sample, fresh: _Sample) -> bool:
    """Tell whether what is committed by now can be held against an older sample's ends.

    Of a topic that was created anew they say nothing, and of one with more partitions too little.
    """
    return sample.topic_id == fresh.topic_id and sample.ends.keys() == fresh.ends.keys()


def _reached(ends: Mapping[int, int], committed: Mapping[int, int]) -> bool:
    """Tell whether every partition is committed up to its end; an empty one must be as well."""
    return bool(ends) and all(committed.get(number, -1) >= end for number, end in ends.items())


def _lag(ends: Mapping[int, int], committed: Mapping[int, int]) -> str:
    """Say which partitions hold the frontier back; they may be read by any member of the group."""
    behind = [
        f"{number} (committed {committed.get(number, 'nothing')} of {end})"
        for number, end in sorted(ends.items())
        if committed.get(number, -1) < end
    ]
    if not behind:
        return "this worker's clock and that of Redis differ, and the earlier one counts."
    return (
        f"payments are not applied and published in {len(behind)} of {len(ends)} partitions, "
        f"{', '.join(behind[:3])}: their reader lags, or a producer's transaction is open."
    )


def _share(facts_max: int, shards_total: int) -> int:
    """Return how many facts each of so many shards may state."""
    return max(1, facts_max // max(1, shards_total))


def _shared_out(due: DueWork, facts_max: int) -> tuple[TimedFact, ...]:
    """Take both kinds, so that neither waits for the other to end."""
    settlements = due.settlements[: max(facts_max // 2, facts_max - len(due.deadlines))]
    return (*settlements, *due.deadlines[: facts_max - len(settlements)])
