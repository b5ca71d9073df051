"""The apply loop: poll, decode, step, commit."""

from collections import Counter
from typing import Final, assert_never

import structlog

from reservation_worker.apply.batches import (
    Batch,
    Committable,
    InFlight,
    Published,
    WaitingFact,
    step_call,
)
from reservation_worker.apply.configuration import ApplyConfig
from reservation_worker.apply.parts import ApplyParts, ApplyStatus
from reservation_worker.apply.queues import ShardQueues
from reservation_worker.apply.set_aside import SetAside
from reservation_worker.contracts.records import Record, Rejection, record_bytes, rejection_of
from reservation_worker.domain.keys import shard_of
from reservation_worker.domain.values import value_class
from reservation_worker.ports import (
    BrokerUnavailable,
    CommitFateUnknown,
    OwnershipLost,
    Polled,
    ShardMoves,
    StepCall,
    StepRefusal,
    StepRefused,
    StepReply,
    StepsUnderWay,
    StoreUnavailable,
    Waypoint,
)
from reservation_worker.telemetry.labels import (
    Dependency,
    FactLabel,
    OutcomeLabel,
    ScriptResult,
    fact_label,
)
from reservation_worker.telemetry.log_events import (
    COMMIT_FAILED,
    OFFSETS_SOUGHT_BACK,
    PARTITIONS_PAUSED,
    PARTITIONS_RESUMED,
    RECORDS_DEAD_LETTERED,
)

LOOP: Final = "apply"


@value_class(frozen=True, slots=True)
class _SentStep:
    """A step that was sent, and where its facts came from."""

    call: StepCall
    waiting: tuple[WaitingFact, ...]


class ApplyLoop:
    """Reads facts, applies them step by step, commits what is published."""

    def __init__(self, config: ApplyConfig, parts: ApplyParts) -> None:
        """Begin with nothing in hand; nothing is called before the first turn."""
        self._config = config
        self._parts = parts
        self._log = parts.log
        self._now_ms = parts.clock.monotonic_ms
        self._logger = structlog.get_logger()
        self._queues = ShardQueues(config.facts_per_step_max, config.lines_per_step_max)
        self._under_way: tuple[list[_SentStep], StepsUnderWay] | None = None
        self._in_flight = InFlight()
        self._published = Published()
        self._ends: dict[tuple[str, int], int] = {}
        """Per held partition the offset behind what was read last."""
        self._heard_shards: set[int] = set()
        """Whose replies have told what is published since it was last asked for."""
        self._epochs: dict[int, int] = {}
        self._retry_shard_at_ms: dict[int, int] = {}
        self._set_aside = SetAside(parts.metrics, self._now_ms, config.unverified_after_ms)
        self._retry_store_at_ms = 0
        self._store_answers = True
        self._commit_at_ms = 0
        self._must_seek = False
        self._paused = False
        self._draining = False
        self.status = self._look()

    @property
    def idle(self) -> bool:
        """Tell whether everything that was read is committed."""
        return not self._in_flight and not self._must_seek

    def drain(self) -> None:
        """Read nothing more; further turns finish and commit what is in hand."""
        self._draining = True
        self._pace()

    def close(self) -> None:
        """Leave the group."""
        self._log.close()

    def turn(self) -> None:
        """Poll and decode while the steps of the turn before are run; then send the next ones.

        Raises:
            FatallyBroken: the client can only be given up.
        """
        is_idle = self._under_way is None and not self._queues.facts_total
        polled = self._log.poll(
            self._poll_timeout_ms(),
            self._records_wanted(),
            self._config.linger_ms if is_idle else 0,
        )
        self._parts.waypoint(Waypoint.APPLY_POLLED)
        if polled.revoked:
            # What is under way is still queued, and what is queued will be dropped.
            self._finish_steps()
        if not self._must_seek:
            self._take(polled)
        self._finish_steps()
        if self._must_seek:
            self._start_over()
        else:
            self._commit_if_due()
        if not self._must_seek:
            self._begin_steps()
        self._pace()
        if self.idle:
            # It needs neither, and what it needed may be another member's by now.
            self._parts.dependencies.heard(Dependency.KAFKA, LOOP)
            self._store_answered()
        self.status = self._look()

    def _look(self) -> ApplyStatus:
        return ApplyStatus(
            turned_at_ms=self._now_ms(),
            holds_partitions=bool(self._log.held()),
            uncommitted_records=self._in_flight.records_total,
            problems=self._set_aside.problems(
                set(self._queues.shards()), has_uncommitted=bool(self._in_flight)
            ),
        )

    def _poll_timeout_ms(self) -> int:
        if self._under_way or any(self._may_send(shard) for shard in self._queues.shards()):
            return 0
        if self._in_flight or self._must_seek:
            return self._config.busy_poll_timeout_ms
        return self._config.idle_poll_timeout_ms

    def _records_wanted(self) -> int:
        """Read on while facts wait for their steps, but not without end."""
        records_max = self._config.records_per_poll_max
        return max(1, min(records_max, 2 * records_max - self._queues.facts_total))

    def _take(self, polled: Polled[Record]) -> None:
        if polled.revoked:
            self._in_flight.drop_partitions(polled.revoked)
            self._queues.drop_partitions(polled.revoked)
            for partition in polled.revoked:
                self._ends.pop(partition, None)
        if polled.read_up_to.items() <= self._ends.items():
            return
        self._ends.update(polled.read_up_to)
        batch = Batch(dict(polled.read_up_to), polled.membership, len(polled.records))
        self._in_flight.add(batch)
        if not polled.records:
            return
        topics = Counter(record.topic for record in polled.records)
        for topic, records_total in topics.items():
            self._parts.metrics.records_consumed.labels(topic=topic).inc(records_total)
        self._parts.metrics.batch_records.observe(len(polled.records))
        decode, now_ms = self._parts.decode, self._parts.clock.now_ms()
        for record in polled.records:
            fact = decode(record, now_ms)
            if isinstance(fact, Rejection):
                batch.refuse(record, fact)
                continue
            batch.waiting_facts += 1
            shard = shard_of(fact.account, self._config.shards_total)
            self._queues.add(shard, WaitingFact(fact, record, record_bytes(record), batch))

    def _may_send(self, shard: int) -> bool:
        now_ms = self._now_ms()
        return now_ms >= self._retry_store_at_ms and now_ms >= self._retry_shard_at_ms.get(shard, 0)

    def _begin_steps(self) -> None:
        """Send one step of each shard that has facts waiting; they stay queued until it is run."""
        sent: list[_SentStep] = []
        try:
            for shard in [one for one in self._queues.shards() if self._may_send(one)]:
                try:
                    epoch = self._epochs.get(shard) or self._learn_epoch(shard)
                except ShardMoves:
                    epoch = 0
                if self._must_seek:
                    return
                if not epoch:
                    self._retry_shard_at_ms[shard] = self._now_ms() + self._config.retry_interval_ms
                    continue
                waiting = self._queues.next_step(shard)
                sent.append(_SentStep(step_call(shard, epoch, waiting), waiting))
        except StoreUnavailable as error:
            self._store_failed(error)
            return
        if sent:
            steps = self._parts.store.begin_steps([one.call for one in sent])
            self._under_way = (sent, steps)

    def _finish_steps(self) -> None:
        """Take the replies to what was sent in the turn before."""
        if self._under_way is None:
            return
        sent, steps = self._under_way
        self._under_way = None
        try:
            with self._parts.metrics.script_duration.time():
                replies = steps.replies()
        except StoreUnavailable as error:
            self._store_failed(error)
            return
        self._store_answered()
        for one, reply in zip(sent, replies, strict=True):
            match reply:
                case StepReply():
                    self._parts.metrics.script_calls.labels(result=ScriptResult.APPLIED).inc()
                    self._applied(one, reply)
                case StepRefused():
                    self._refused(one.call.shard, one.call.epoch, reply)
                case _:
                    assert_never(reply)

    def _applied(self, sent: _SentStep, reply: StepReply) -> None:
        shard, epoch = sent.call.shard, sent.call.epoch
        assert 0 < len(reply.outcomes) <= len(sent.waiting)
        counts: Counter[tuple[FactLabel, OutcomeLabel]] = Counter()
        for one, outcome in zip(sent.waiting, reply.outcomes, strict=False):
            one.batch.waiting_facts -= 1
            one.batch.touch(shard, epoch, reply.step)
            rejection = rejection_of(outcome)
            if rejection is not None:
                one.batch.refuse(one.record, rejection)
            label = OutcomeLabel.DEAD_LETTERED if rejection else OutcomeLabel(outcome.value)
            counts[fact_label(one.fact), label] += 1
        for (kind, label), facts_total in counts.items():
            self._parts.metrics.facts.labels(fact=kind, outcome=label).inc(facts_total)
        self._set_aside.admit(shard)
        self._queues.remove(shard, len(reply.outcomes))
        self._published.learn(shard, epoch, reply.published)
        self._heard_shards.add(shard)
        self._parts.waypoint(Waypoint.APPLY_STEPPED)
        if reply.step > reply.published:
            self._parts.wake_publisher()

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
        """Ask for the epoch in force; 0 while nobody has taken the shard over."""
        state = self._parts.store.inspect(shard)
        self._set_aside.inspected(shard, state)
        if state.epoch:
            self._meet_epoch(shard, state.epoch)
        return 0 if self._must_seek else state.epoch

    def _meet_epoch(self, shard: int, epoch: int) -> None:
        """Go on in another epoch; what was applied in the last one may be lost: read it again."""
        self._epochs[shard] = epoch
        if self._in_flight.touched_in_other_epoch(shard, epoch):
            self._must_seek = True

    def _store_failed(self, error: StoreUnavailable) -> None:
        self._parts.dependencies.lost(Dependency.REDIS, LOOP, error.reason, str(error))
        self._store_answers = False
        self._retry_store_at_ms = self._now_ms() + self._config.retry_interval_ms
        self._parts.metrics.script_calls.labels(result=ScriptResult.UNAVAILABLE).inc()

    def _store_answered(self) -> None:
        self._parts.dependencies.heard(Dependency.REDIS, LOOP)
        self._store_answers = True

    def _broker_failed(self, error: BrokerUnavailable) -> None:
        self._parts.dependencies.lost(Dependency.KAFKA, LOOP, error.reason, str(error))
        self._logger.warning(COMMIT_FAILED, reason=str(error))

    def _commit_if_due(self) -> None:
        if self._must_seek or not self._in_flight or self._now_ms() < self._commit_at_ms:
            return
        self._commit_at_ms = self._now_ms() + self._config.commit_interval_ms
        self._learn_published()
        committable = self._in_flight.committable(
            self._published, self._config.dead_letters_per_commit_max
        )
        if committable is not None:
            self._commit(committable)

    def _learn_published(self) -> None:
        unpublished = self._in_flight.unpublished_shards(self._published)
        known = {shard: self._published.known(shard) for shard in unpublished}
        self._set_aside.wait_for_publication(known)
        silent = sorted(unpublished - self._heard_shards)
        self._heard_shards.clear()
        for shard in silent:
            try:
                state = self._parts.store.inspect(shard)
            except ShardMoves:
                continue
            except StoreUnavailable as error:
                self._store_failed(error)
                return
            self._store_answered()
            if not state.epoch or state.torn or state.server != state.verified_server:
                continue
            self._meet_epoch(shard, state.epoch)
            # Of another epoch than the facts' it covers none of them.
            self._published.learn(shard, state.epoch, state.published)

    def _commit(self, committable: Committable) -> None:
        failed_at_ms = self._parts.clock.now_ms()
        dead_letters = [
            self._parts.dead_letter(unusable.record, unusable.rejection, failed_at_ms)
            for unusable in committable.unusable
        ]
        self._parts.waypoint(Waypoint.APPLY_BEFORE_COMMIT)
        try:
            self._log.commit(committable.offsets, dead_letters, committable.membership)
        except BrokerUnavailable as error:
            self._broker_failed(error)
            return
        except (OwnershipLost, CommitFateUnknown) as error:
            self._logger.warning(COMMIT_FAILED, reason=str(error))
            self._must_seek = True
            return
        self._parts.waypoint(Waypoint.APPLY_AFTER_COMMIT)
        self._parts.dependencies.heard(Dependency.KAFKA, LOOP)
        self._in_flight.remove(committable)
        self._parts.metrics.last_progress_timestamp.set(failed_at_ms / 1000)
        self._count_dead_letters(committable)

    def _count_dead_letters(self, committable: Committable) -> None:
        if not committable.unusable:
            return
        counts = Counter(
            (unusable.record.topic, unusable.rejection.code) for unusable in committable.unusable
        )
        for (topic, code), records_total in counts.items():
            self._parts.metrics.dead_letters.labels(topic=topic, code=code).inc(records_total)
            self._logger.warning(
                RECORDS_DEAD_LETTERED, topic=topic, code=code.value, records=records_total
            )

    def _start_over(self) -> None:
        """Drop what is in hand and read it again from what is committed."""
        self._in_flight.drop_all()
        self._queues.drop_all()
        self._ends.clear()
        try:
            self._log.seek_to_committed()
        except BrokerUnavailable as error:
            self._broker_failed(error)
            return
        self._must_seek = False
        self._parts.metrics.offset_seek_backs.inc()
        self._logger.warning(OFFSETS_SOUGHT_BACK, partitions=len(self._log.held()))

    def _pace(self) -> None:
        """Pause at the limits and in an outage; resume below half of them."""
        records_max = self._config.uncommitted_records_max
        bytes_max = self._config.uncommitted_bytes_max
        if self._paused:
            records_max //= 2
            bytes_max //= 2
        paused = (
            self._draining
            or (not self._store_answers and bool(self._in_flight))
            or self._in_flight.records_total >= records_max
            or self._queues.bytes_total >= bytes_max
        )
        if paused != self._paused:
            self._paused = paused
            self._log.set_paused(paused=paused)
            event = PARTITIONS_PAUSED if paused else PARTITIONS_RESUMED
            self._logger.info(event, uncommitted_records=self._in_flight.records_total)
