"""The apply loop: poll, decode, step, commit."""

from collections import Counter
from typing import Final

import structlog

from reservation_worker.apply.batches import (
    Batch,
    CommitBounds,
    Committable,
    WaitingFact,
)
from reservation_worker.apply.configuration import ApplyConfig
from reservation_worker.apply.counts_first import Interruption
from reservation_worker.apply.in_hand import InHand
from reservation_worker.apply.parts import LOOP, ApplyParts, ApplyStatus
from reservation_worker.apply.queues import ShardQueues
from reservation_worker.apply.steps import Steps
from reservation_worker.contracts.records import Record, Rejection, record_bytes
from reservation_worker.domain.keys import shard_of
from reservation_worker.ports import (
    BrokerUnavailable,
    CommitFateUnknown,
    OwnershipLost,
    Partition,
    Polled,
    Waypoint,
)
from reservation_worker.telemetry.labels import Dependency
from reservation_worker.telemetry.log_events import (
    COMMIT_FAILED,
    OFFSETS_SOUGHT_BACK,
    PARTITIONS_PAUSED,
    PARTITIONS_RESUMED,
    RECORDS_DEAD_LETTERED,
)

RECORD_BYTES_AT_FIRST: Final = 1_048_576
"""Before any record was read it is taken for as large as topics usually allow."""
HELD_COMMIT_INTERVAL_MS: Final = 50
"""Time between two commits at most while nothing but counts is applied."""


class ApplyLoop:
    """Reads facts, applies them step by step, commits what is published."""

    def __init__(self, config: ApplyConfig, parts: ApplyParts) -> None:
        """Begin with nothing in hand; nothing is called before the first turn."""
        self._config = config
        self._parts = parts
        self._log = parts.log
        self._now_ms = parts.clock.monotonic_ms
        self._logger = structlog.get_logger()
        self._in_hand = InHand(ShardQueues(config.facts_per_step_max, config.lines_per_step_max))
        self._counts_first = parts.counts_first
        self._steps = Steps(config, parts, self._in_hand)
        self._ends: dict[Partition, int] = {}
        """Per held partition the offset behind what was read last."""
        self._bounds = CommitBounds(
            config.dead_letters_per_commit_max, config.dead_letter_bytes_per_commit_max
        )
        self._record_bytes = RECORD_BYTES_AT_FIRST
        """The largest record of late, or an older one's half."""
        self._commit_at_ms = 0
        self._progress_at_ms = self._now_ms()
        """When everything in hand was committed, or some of it."""
        self._paused = False
        self._in_group = False
        self._paused_topics: frozenset[str] = frozenset()
        self._draining = False
        self.status = self._look()

    @property
    def idle(self) -> bool:
        """Tell whether everything that was read is committed."""
        return not self._in_hand.batches and not self._in_hand.must_seek

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
        is_idle = not self._steps.are_under_way and not self._in_hand.queues.facts_total
        polled = self._log.poll(
            self._poll_timeout_ms(),
            self._records_wanted(),
            self._config.linger_ms if is_idle else 0,
        )
        self._in_group = polled.membership is not None and polled.is_settled
        self._parts.waypoint(Waypoint.APPLY_POLLED)
        if polled.revoked:
            # What is under way is still queued, and what is queued will be dropped.
            self._steps.finish()
        if polled.revoked or polled.interrupted:
            self._counts_first.begin(Interruption.PARTITIONS_SHARED_OUT)
        if not self._in_hand.must_seek:
            self._take(polled)
        self._steps.finish()
        if self._in_hand.must_seek:
            self._start_over()
        else:
            self._commit_if_due()
        if self._counts_first.holds:
            self._hold_back(polled)
        if not self._in_hand.must_seek and self._steps.outage.is_over():
            self._steps.begin()
            if self._log.held():
                self._counts_first.look(self._counts_read())
        self._pace()
        if self.idle:
            # It needs no commit, and what it needed one for may be another member's by now.
            self._parts.dependencies.heard(Dependency.KAFKA, LOOP)
        self.status = self._look()

    def _look(self) -> ApplyStatus:
        holds_partitions = bool(self._log.held())
        # A spare applies nothing, and does not look for counts: it has nothing to wait for.
        waits = self._counts_first.problems() if holds_partitions else ()
        return ApplyStatus(
            turned_at_ms=self._now_ms(),
            holds_partitions=holds_partitions,
            in_group=self._in_group,
            uncommitted_records=self._in_hand.batches.records_total,
            uncommitted_bytes=self._in_hand.bytes_total,
            problems=(*self._steps.problems(), *waits),
        )

    def _poll_timeout_ms(self) -> int:
        if self._steps.are_under_way or self._steps.may_be_sent:
            return 0
        if self._in_hand.batches or self._in_hand.must_seek or self._counts_first.holds:
            return self._config.busy_poll_timeout_ms
        return self._config.idle_poll_timeout_ms

    def _records_wanted(self) -> int:
        """Read on while facts wait for their steps, but not without end."""
        records_max = self._config.records_per_poll_max
        bytes_left = self._config.uncommitted_bytes_max - self._in_hand.bytes_total
        return max(
            1,
            min(
                records_max,
                2 * records_max - self._in_hand.queues.facts_total,
                # As if all were as large as the largest of late: a poll is not bounded in bytes.
                bytes_left // self._record_bytes,
            ),
        )

    def _take(self, polled: Polled[Record]) -> None:
        if polled.revoked:
            self._in_hand.drop_partitions(polled.revoked)
            for partition in polled.revoked:
                self._ends.pop(partition, None)
        if polled.read_up_to.items() <= self._ends.items():
            return
        self._ends.update(polled.read_up_to)
        if polled.records:
            self._count_read(polled)
        batches = self._filled(polled)
        batches[-1].ends.update(polled.read_up_to)
        for batch in batches:
            self._in_hand.batches.add(batch)

    def _count_read(self, polled: Polled[Record]) -> None:
        topics = Counter(record.topic for record in polled.records)
        for topic, records_total in topics.items():
            self._parts.metrics.records_consumed.labels(topic=topic).inc(records_total)
        self._parts.metrics.batch_records.observe(len(polled.records))

    def _filled(self, polled: Polled[Record]) -> list[Batch]:
        """Decode records into batches, none of which is more than one commit carries."""
        decode, undecidable, bounds = self._parts.decode, self._in_hand.undecidable, self._bounds
        now_ms = self._parts.clock.now_ms()
        batch = Batch({}, polled.membership)
        batches, largest_bytes = [batch], 1
        for record in polled.records:
            bytes_total = record_bytes(record)
            largest_bytes = max(largest_bytes, bytes_total)
            if batch.records_total and (
                batch.records_total >= bounds.letters_max
                or batch.records_bytes + bytes_total > bounds.bytes_max
            ):
                batch = Batch({}, polled.membership)
                batches.append(batch)
            batch.hold(record, bytes_total)
            known = undecidable and undecidable.get((record.topic, record.partition))
            fact = (known and known.get(record.offset)) or decode(record, now_ms)
            if isinstance(fact, Rejection):
                batch.refuse(record, fact)
                continue
            batch.waiting_facts += 1
            shard = shard_of(fact.account, self._config.shards_total)
            self._in_hand.queues.add(shard, WaitingFact(fact, record, bytes_total, batch))
        if polled.records:
            self._record_bytes = max(largest_bytes, self._record_bytes // 2)
        return batches

    def _counts_read(self) -> dict[int, int]:
        counts_topic = self._parts.counts_topic
        return {number: end for (topic, number), end in self._ends.items() if topic == counts_topic}

    def _hold_back(self, polled: Polled[Record]) -> None:
        """Put back what waits and is no count: it is read again when the counts are applied.

        In hand, it would keep the counts behind it from being committed.
        """
        counts_topic = self._parts.counts_topic
        brought = any(record.topic != counts_topic for record in polled.records)
        if self._in_hand.must_seek or not (self._counts_first.began or brought):
            return
        assert not self._steps.are_under_way, "what is under way is still queued"
        self._counts_first.began = False
        firsts = self._in_hand.queues.drop_all_but(counts_topic)
        if not firsts:
            return
        self._in_hand.batches.cut(firsts)
        self._ends.update(firsts)
        try:
            self._log.seek(firsts)
        except BrokerUnavailable as error:
            self._broker_failed(error)
            self._in_hand.must_seek = True

    def _broker_failed(self, error: BrokerUnavailable) -> None:
        self._parts.dependencies.lost(Dependency.KAFKA, LOOP, error.reason, str(error))
        self._logger.warning(COMMIT_FAILED, reason=str(error))

    def _commit_if_due(self) -> None:
        now_ms = self._now_ms()
        if not self._in_hand.batches:
            self._progress_at_ms = now_ms
        if self._in_hand.must_seek or not self._in_hand.batches or now_ms < self._commit_at_ms:
            return
        config = self._config
        interval_ms = config.commit_interval_ms
        if self._counts_first.holds:
            # Somebody waits for this commit.
            interval_ms = min(interval_ms, HELD_COMMIT_INTERVAL_MS)
        self._commit_at_ms = now_ms + interval_ms
        self._steps.learn_published()
        committable = self._in_hand.batches.committable(self._in_hand.published, self._bounds)
        if committable is None:
            return
        if committable.is_cut:
            self._commit_at_ms = now_ms
        self._commit(committable)

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
            self._commit_at_ms = self._now_ms() + self._config.retry_interval_ms
            self._counts_first.begin(Interruption.KAFKA_OUTAGE)
            return
        except (OwnershipLost, CommitFateUnknown) as error:
            self._logger.warning(COMMIT_FAILED, reason=str(error))
            self._in_hand.must_seek = True
            return
        self._parts.waypoint(Waypoint.APPLY_AFTER_COMMIT)
        self._parts.dependencies.heard(Dependency.KAFKA, LOOP)
        self._in_hand.batches.remove(committable)
        self._in_hand.committed(committable.offsets)
        stalled_ms = self._now_ms() - self._progress_at_ms
        if stalled_ms > self._config.stalled_after_ms and not self._counts_first.holds:
            self._counts_first.begin(Interruption.STALLED)
        self._progress_at_ms = self._now_ms()
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
        self._counts_first.begin(Interruption.SOUGHT_BACK)
        self._in_hand.drop_all()
        self._ends.clear()
        try:
            self._log.seek_to_committed()
        except BrokerUnavailable as error:
            self._broker_failed(error)
            return
        self._in_hand.must_seek = False
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
            or (self._steps.outage.lasts and bool(self._in_hand.batches))
            or self._in_hand.batches.records_total >= records_max
            or self._in_hand.bytes_total >= bytes_max
        )
        self._pause_topics(paused=paused)
        if paused != self._paused:
            self._paused = paused
            event = PARTITIONS_PAUSED if paused else PARTITIONS_RESUMED
            self._logger.info(event, uncommitted_records=self._in_hand.batches.records_total)

    def _pause_topics(self, *, paused: bool) -> None:
        topics = self._parts.topics if paused else frozenset()
        if not paused and self._counts_first.holds:
            topics = self._parts.topics - {self._parts.counts_topic}
        if topics != self._paused_topics:
            self._paused_topics = topics
            self._log.set_paused(topics)
