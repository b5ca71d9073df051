"""Facts to steps: one step of each shard at a time, and what their replies say."""

from collections import Counter
from collections.abc import Sequence
from typing import assert_never

import structlog

from reservation_worker.apply.batches import WaitingFact, step_call
from reservation_worker.apply.configuration import ApplyConfig
from reservation_worker.apply.counts_first import Interruption
from reservation_worker.apply.in_hand import InHand
from reservation_worker.apply.parts import ApplyParts
from reservation_worker.apply.set_aside import SetAside
from reservation_worker.apply.store_outage import StoreOutage
from reservation_worker.contracts.records import rejection_of, undecidable
from reservation_worker.domain.values import value_class
from reservation_worker.isolation import Suspects, check_script
from reservation_worker.ports import (
    ShardMoves,
    StepCall,
    StepFailed,
    StepRefusal,
    StepRefused,
    StepReply,
    StepsUnderWay,
    StoreUnavailable,
    Waypoint,
)
from reservation_worker.telemetry.labels import (
    FactLabel,
    Invariant,
    OutcomeLabel,
    ScriptResult,
    fact_label,
)
from reservation_worker.telemetry.log_events import FACT_UNDECIDABLE


@value_class(frozen=True, slots=True)
class _SentStep:
    """A step that was sent, and where its facts came from."""

    call: StepCall
    waiting: tuple[WaitingFact, ...]


class Steps:
    """Sends the facts in hand to their shards, each in the epoch that is in force there."""

    def __init__(self, config: ApplyConfig, parts: ApplyParts, in_hand: InHand) -> None:
        self._config = config
        self._parts = parts
        self._in_hand = in_hand
        self._counts_first = parts.counts_first
        self._now_ms = parts.clock.monotonic_ms
        self._logger = structlog.get_logger()
        self._under_way: tuple[list[_SentStep], StepsUnderWay] | None = None
        self._epochs: dict[int, int] = {}
        self._unowned_shards: set[int] = set()
        """Asked for their epoch when nobody had taken them over yet."""
        self._retry_shard_at_ms: dict[int, int] = {}
        self._set_aside = SetAside(parts.metrics, self._now_ms, config.unverified_after_ms)
        self._suspects = Suspects()
        self.outage = StoreOutage(parts, config.retry_interval_ms)

    @property
    def are_under_way(self) -> bool:
        """Tell whether steps were sent whose replies nobody has taken."""
        return self._under_way is not None

    @property
    def may_be_sent(self) -> bool:
        """Tell whether a fact waits for nothing but being sent."""
        return any(self._may_send(shard) for shard in self._in_hand.queues.shards())

    def problems(self) -> tuple[str, ...]:
        """Say what keeps input waiting, a sentence each."""
        return self._set_aside.problems(
            set(self._in_hand.queues.shards()), has_uncommitted=bool(self._in_hand.batches)
        )

    def begin(self) -> None:
        """Send one step of each shard that has facts waiting; they stay queued until it is run."""
        sent: list[_SentStep] = []
        for shard in [one for one in self._in_hand.queues.shards() if self._may_send(one)]:
            epoch = self._epochs.get(shard) or self._learn_epoch(shard)
            if self.outage.lasts or self._in_hand.must_seek or self._counts_first.began:
                return
            if not epoch:
                self._retry_shard_at_ms[shard] = self._now_ms() + self._config.retry_interval_ms
                continue
            facts_max = self._suspects.facts_max(shard, self._config.facts_per_step_max)
            waiting = self._in_hand.queues.next_step(shard, facts_max)
            sent.append(_SentStep(step_call(shard, epoch, waiting), waiting))
        if sent:
            steps = self._parts.store.begin_steps([one.call for one in sent])
            self._under_way = (sent, steps)

    def finish(self) -> None:
        """Take the replies to what was sent in the turn before."""
        if self._under_way is None:
            return
        sent, steps = self._under_way
        self._under_way = None
        try:
            with self._parts.metrics.script_duration.time():
                replies = steps.replies()
        except StoreUnavailable as error:
            self._meet_outage(error, [one.call for one in sent])
            return
        for one, reply in zip(sent, replies, strict=True):
            match reply:
                case StepReply():
                    self._parts.metrics.script_calls.labels(result=ScriptResult.APPLIED).inc()
                    self._applied(one, reply)
                case StepRefused():
                    self._refused(one.call.shard, one.call.epoch, reply)
                case StepFailed():
                    self._failed(one, reply)
                case _:
                    assert_never(reply)

    def learn_published(self) -> None:
        """Ask what is published of shards that commits wait for, and that have not told it."""
        unpublished = self._in_hand.batches.unpublished_shards(self._in_hand.published)
        known = {shard: self._in_hand.published.known(shard) for shard in unpublished}
        self._set_aside.wait_for_publication(known)
        silent = sorted(unpublished - self._in_hand.heard_shards)
        self._in_hand.heard_shards.clear()
        for shard in silent:
            try:
                state = self._parts.store.inspect(shard)
            except ShardMoves:
                continue
            except StoreUnavailable as error:
                self._meet_outage(error, shard=shard)
                return
            if not state.epoch or state.torn or state.server != state.verified_server:
                continue
            self._meet_epoch(shard, state.epoch)
            # Of another epoch than the facts' it covers none of them.
            self._in_hand.published.learn(shard, state.epoch, state.published)

    def _may_send(self, shard: int) -> bool:
        return not self.outage.lasts and self._now_ms() >= self._retry_shard_at_ms.get(shard, 0)

    def _applied(self, sent: _SentStep, reply: StepReply) -> None:
        shard, epoch = sent.call.shard, sent.call.epoch
        assert 0 < len(reply.outcomes) <= len(sent.waiting)
        counts: Counter[tuple[FactLabel, OutcomeLabel]] = Counter()
        for one, outcome in zip(sent.waiting, reply.outcomes, strict=False):
            one.batch.waiting_facts -= 1
            one.batch.touch(shard, epoch, reply.step)
            rejection = rejection_of(outcome)
            if rejection is not None:
                self._in_hand.batches.refuse(one.batch, one.record, rejection)
            label = OutcomeLabel.DEAD_LETTERED if rejection else OutcomeLabel(outcome.value)
            counts[fact_label(one.fact), label] += 1
        for (kind, label), facts_total in counts.items():
            self._parts.metrics.facts.labels(fact=kind, outcome=label).inc(facts_total)
        self._set_aside.admit(shard)
        self._suspects.passed(shard, len(reply.outcomes))
        self._in_hand.queues.remove(shard, len(reply.outcomes))
        self._in_hand.published.learn(shard, epoch, reply.published)
        self._in_hand.heard_shards.add(shard)
        self._parts.waypoint(Waypoint.APPLY_STEPPED)
        if reply.step > reply.published:
            self._parts.wake_publisher()

    def _failed(self, sent: _SentStep, failed: StepFailed) -> None:
        """Halve what the next step takes, until the fact that breaks the script stands alone."""
        self._parts.metrics.script_calls.labels(result=ScriptResult.FAILED).inc()
        shard, epoch = sent.call.shard, sent.call.epoch
        if not self._suspects.failed(shard, len(sent.waiting)):
            return
        try:
            check_script(self._parts.store, shard, epoch, failed)
        except StoreUnavailable as error:
            self._meet_outage(error, [sent.call])
            return
        (waiting,) = sent.waiting
        record, rejection = waiting.record, undecidable(failed.where)
        waiting.batch.waiting_facts -= 1
        self._in_hand.batches.refuse(waiting.batch, record, rejection)
        self._in_hand.queues.remove(shard, 1)
        found = self._in_hand.undecidable.setdefault((record.topic, record.partition), {})
        found[record.offset] = rejection
        metrics = self._parts.metrics
        metrics.facts.labels(fact_label(waiting.fact), OutcomeLabel.DEAD_LETTERED).inc()
        metrics.invariant_violations.labels(invariant=Invariant.FACT_DECIDABLE).inc()
        self._logger.error(
            FACT_UNDECIDABLE,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            shard=shard,
            where=failed.where,
        )

    def _refused(self, shard: int, epoch: int, refused: StepRefused) -> None:
        self._parts.metrics.script_calls.labels(result=refused.reason).inc()
        if refused.reason is StepRefusal.EPOCH and refused.epoch not in {0, epoch}:
            self._meet_epoch(shard, refused.epoch)
            return
        if refused.reason is StepRefusal.FOREIGN:
            self._epochs.pop(shard, None)  # whose it is, is asked before the next step
        self._set_aside.refuse(shard, refused.reason)
        self._retry_shard_at_ms[shard] = self._now_ms() + self._config.retry_interval_ms

    def _learn_epoch(self, shard: int) -> int:
        """Ask for the epoch in force; 0 while it is not known, or nobody has taken it over."""
        try:
            state = self._parts.store.inspect(shard)
        except ShardMoves:
            return 0
        except StoreUnavailable as error:
            self._meet_outage(error, shard=shard)
            return 0
        self._set_aside.inspected(shard, state)
        if state.epoch:
            self._meet_epoch(shard, state.epoch)
        else:
            self._unowned_shards.add(shard)
        return state.epoch

    def _meet_epoch(self, shard: int, epoch: int) -> None:
        """Go on in another epoch; what was applied in the last one may be lost: read it again.

        What waits for the shard was read before; counts may have come since.
        """
        if self._epochs.get(shard, epoch) != epoch or shard in self._unowned_shards:
            self._unowned_shards.discard(shard)
            self._counts_first.begin(Interruption.EPOCH_CHANGED)
        self._epochs[shard] = epoch
        if self._in_hand.batches.touched_in_other_epoch(shard, epoch):
            self._in_hand.must_seek = True

    def _meet_outage(
        self, error: StoreUnavailable, calls: Sequence[StepCall] = (), shard: int | None = None
    ) -> None:
        self.outage.begin(error, calls, shard)
        self._counts_first.begin(Interruption.REDIS_OUTAGE)
