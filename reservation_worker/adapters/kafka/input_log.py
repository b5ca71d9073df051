"""The input topics as one member of the apply group reads them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)

from reservation_worker.adapters.kafka.client_logs import ClientVoice
from reservation_worker.adapters.kafka.configuration import (
    KafkaConfig,
    Rebalancing,
    member_options,
    producer_options,
)
from reservation_worker.adapters.kafka.errors import (
    error_of,
    says_broken,
    says_no_right,
    says_out_of_range,
    sentence_of,
    why_broken,
)
from reservation_worker.adapters.kafka.held_positions import HeldPositions
from reservation_worker.adapters.kafka.membership import MembershipCapture
from reservation_worker.adapters.kafka.messages import converted, letter_message
from reservation_worker.adapters.kafka.partition_gauges import PartitionGauges
from reservation_worker.adapters.kafka.producer import (
    ProducerTimeouts,
    TransactionalProducer,
)
from reservation_worker.adapters.kafka.topic_questions import TopicQuestions
from reservation_worker.adapters.kafka.watched import WatchedConsumer
from reservation_worker.contracts.records import DeadLetter, Record
from reservation_worker.ports import (
    BrokerUnavailable,
    Clock,
    FatallyBroken,
    Membership,
    OwnershipLost,
    Partition,
    Polled,
    Waypoint,
)
from reservation_worker.telemetry.labels import RebalanceKind
from reservation_worker.telemetry.log_events import (
    CLIENT_WARNED,
    PARTITIONS_ASSIGNED,
    PARTITIONS_LOST,
    PARTITIONS_REVOKED,
)
from reservation_worker.telemetry.metrics import Metrics

ROLE: Final = "apply"


@dataclass(frozen=True, slots=True)
class InputLogParts:
    """What the reader of the input topics is built from."""

    topics: Sequence[str]
    dead_letter_topic: str
    clock: Clock
    metrics: Metrics
    waypoint: Callable[[Waypoint], None] = lambda _waypoint: None
    tell_problem: Callable[[str], None] = lambda _problem: None
    """Takes why this process cannot be a member of its group; empty: nothing is wrong."""
    refuse_unsafe: Callable[[], None] = lambda: None
    """Raises `BrokerUnavailable` while the topics are not what the guarantees need."""


class KafkaInputLog:
    """A consumer of the apply group, and the producer of its dead letters."""

    def __init__(self, config: KafkaConfig, parts: InputLogParts) -> None:
        """Subscribe; the group is joined by polling."""
        self._parts = parts
        self._group_id = config.group_id
        self._request_seconds = config.request_timeout_ms / 1000
        self._incremental = config.rebalancing is not Rebalancing.EAGER
        self._logger = structlog.get_logger()
        self._held: set[Partition] = set()
        self._changed: set[Partition] = set()
        """Revoked or assigned anew since the last poll returned."""
        self._changed_now: set[Partition] = set()
        """Likewise, since messages were last taken."""
        self._unpositioned: set[Partition] = set()
        """Held, but their committed offsets could not be read when they were assigned."""
        self._doubted: set[Partition] = set()
        """Held, but their positions are not in the partition: whether it is another one is asked.
        """
        self._rebalances_total = 0
        self._interrupted = False
        """Since the last poll returned, partitions were shared out, or no broker answered."""
        self._is_settled = False
        self._paused_topics: frozenset[str] = frozenset()
        self._gauges = PartitionGauges(parts.topics, parts.metrics, parts.clock)
        self._producer = TransactionalProducer(
            producer_options(config, ROLE),
            ProducerTimeouts.of(config),
            parts.clock,
        )
        options = member_options(config, ROLE, config.group_id)
        self._voice = ClientVoice(options, config.secrets)
        voice = self._voice.options
        self._tell_error: Callable[[KafkaError], None] = voice["error_cb"]
        self._consumer = WatchedConsumer({**options, **voice, "error_cb": self._hear_error}, config)
        self._positions = HeldPositions(
            TopicQuestions(config, f"{ROLE}-topics"), parts.clock, self._request_seconds
        )
        self._membership = MembershipCapture(self._consumer, parts.clock)
        self._consumer.subscribe(
            list(parts.topics),
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )

    def poll(self, timeout_ms: int, records_max: int, linger_ms: int = 0) -> Polled[Record]:
        """Return what is there; wait while there is nothing, and a while for more of something.

        Raises:
            FatallyBroken: the client is, or a committed offset is out of range.
        """
        self._positions.look()
        membership = self._membership.current()
        rebalances_total = self._rebalances_total
        try:
            first = self._consumer.poll(timeout_ms / 1000)
            if self._rebalances_total != rebalances_total:
                membership = self._membership.current()
            held_before = set(self._held)
            self._changed_now.clear()
            # It waits the whole time, unless it has got as many as it may.
            linger_seconds = 0 if first is None else linger_ms / 1000
            messages = self._consumer.consume(records_max, linger_seconds)
        except KafkaException as exception:
            raise FatallyBroken(f"Polling failed: {error_of(exception).str()}") from exception
        if first is not None:
            messages.insert(0, first)
        # A rebalance among the messages: nobody can tell which of them are from before it.
        self._unpositioned |= self._changed_now & held_before & self._held
        dropped = self._unpositioned | (self._changed_now & held_before)
        dropped |= self._positions.outdated
        if self._unpositioned:
            self._position_late_ones()
        records, read_up_to = converted(messages, dropped, self._meet)
        self._positions.note_read(read_up_to)
        if self._doubted:
            self._look_closely()
        self._restart_outdated()
        self._gauges.measure(self._consumer, read_up_to)
        revoked, self._changed = frozenset(self._changed), set()
        interrupted, self._interrupted = self._interrupted, False
        settled = self._is_settled
        return Polled(records, read_up_to, revoked, membership, interrupted, settled)

    def held(self) -> frozenset[Partition]:
        """Return the partitions that are assigned to this member."""
        return frozenset(self._held)

    def set_paused(self, topics: frozenset[str]) -> None:
        """Read nothing of these topics, and all others; polling goes on.

        Partitions that are assigned later follow suit.
        """
        before, self._paused_topics = self._paused_topics, topics
        self._gauges.show(self._held, topics)
        pause = [TopicPartition(*one) for one in self._held if one[0] in topics - before]
        resume = [TopicPartition(*one) for one in self._held if one[0] in before - topics]
        if pause:
            self._consumer.pause(pause)
        if resume:
            self._consumer.resume(resume)

    def seek(self, offsets: Mapping[Partition, int]) -> None:
        """Read these held partitions again from here; no broker is asked.

        Raises:
            BrokerUnavailable: some may have been moved; `seek_to_committed` before reading on.
        """
        try:
            for partition, offset in offsets.items():
                self._consumer.seek(TopicPartition(*partition, offset))
        except KafkaException as exception:
            raise self._voice.explained(error_of(exception), "Seeking back") from exception
        self._positions.note_read(offsets)

    def commit(
        self,
        offsets: Mapping[Partition, int],
        dead_letters: Sequence[DeadLetter],
        membership: Membership | None,
    ) -> None:
        """Commit offsets, in one transaction with the dead letters if there are any.

        Raises:
            BrokerUnavailable: nothing was committed; trying again is safe.
            OwnershipLost: the membership is outdated: nothing was committed.
            CommitFateUnknown: the dead letters may or may not have been committed.
        """
        if not offsets:
            assert not dead_letters
            return
        self._parts.refuse_unsafe()
        positions = self._positions.stamped(offsets)
        if not dead_letters:
            self._commit_plainly(positions)
            self._positions.note_committed(offsets)
            return
        if membership is None:
            raise OwnershipLost("the records were read outside of the group")
        waypoint = self._parts.waypoint
        self._producer.commit(
            [letter_message(self._parts.dead_letter_topic, one) for one in dead_letters],
            positions,
            membership,
            on_produced=lambda: waypoint(Waypoint.DEAD_LETTERS_PRODUCED),
            on_offsets_sent=lambda: waypoint(Waypoint.DEAD_LETTERS_OFFSETS_SENT),
        )
        self._positions.note_committed(offsets)
        waypoint(Waypoint.DEAD_LETTERS_COMMITTED)

    def seek_to_committed(self) -> None:
        """Read every held partition again from its stable committed offset.

        Raises:
            BrokerUnavailable: some may have been moved; call again before reading on.
        """
        self._seek(self._held)
        self._unpositioned.clear()

    def close(self) -> None:
        """Leave the group."""
        self._consumer.leave()
        self._producer.close()

    def _meet(self, error: KafkaError, topic: str | None, number: int | None) -> None:
        if says_out_of_range(error) and topic is not None and number is not None:
            self._doubted.add((topic, number))
            return
        if says_broken(error):
            raise FatallyBroken(why_broken(error))
        if says_no_right(error) and topic is None:
            group_id = self._group_id
            self._parts.tell_problem(
                f"The group {group_id} of the inputs cannot be joined: {sentence_of(error)}."
            )
        self._voice.warn_of(ROLE, error, topic, number)

    def _look_closely(self) -> None:
        """Find out why positions are not in their partitions: another topic is read from its start.

        Raises:
            FatallyBroken: it is the same topic: records were deleted unread.
        """
        for partition in sorted(self._doubted & self._held):
            try:
                is_another = self._positions.look_closely(partition)
            except BrokerUnavailable:
                return  # Asked again after the next poll.
            if not is_another:
                raise FatallyBroken(
                    f"The committed offset of {partition[0]}-{partition[1]} is not in the "
                    "partition: records were deleted before they were applied. Decide what to "
                    "read, and set the group's offset (`kafka-consumer-groups --reset-offsets`)."
                )
        self._doubted.clear()

    def _restart_outdated(self) -> None:
        """Read topics that were created anew from their beginning, once nothing else is in hand."""
        restartable = self._positions.restartable()
        if not restartable:
            return
        try:
            for position in self._positions.restarts(restartable):
                self._consumer.seek(position)
        except KafkaException:
            self._unpositioned |= restartable
        self._changed |= restartable

    def _hear_error(self, error: KafkaError) -> None:
        """Take what the client says of itself, inside a poll; must not raise."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001
            self._interrupted = True
        self._tell_error(error)

    def _commit_plainly(self, positions: list[TopicPartition]) -> None:
        try:
            committed = self._consumer.commit(offsets=positions, asynchronous=False)
        except KafkaException as exception:
            raise self._not_committed(error_of(exception), positions[0]) from exception
        for partition in committed:
            if partition.error is not None:
                raise self._not_committed(partition.error, partition)

    def _not_committed(self, error: KafkaError, one: TopicPartition) -> BrokerUnavailable:
        return self._voice.explained(
            error, f"Committing offsets, that of {one.topic}-{one.partition} among them"
        )

    def _seek(self, partitions: set[Partition]) -> None:
        if not partitions:
            return
        try:
            for position in self._starts(partitions):
                self._consumer.seek(position)
        except KafkaException as exception:
            raise self._voice.explained(error_of(exception), "Seeking") from exception

    def _starts(self, partitions: set[Partition]) -> list[TopicPartition]:
        return self._positions.starts(self._consumer, self._voice, partitions)

    def _position_late_ones(self) -> None:
        try:
            self._seek(self._unpositioned)
        except BrokerUnavailable as error:
            self._logger.warning(
                CLIENT_WARNED, client=ROLE, reason=error.reason.value, detail=str(error)
            )
            return
        self._changed |= self._unpositioned
        self._unpositioned.clear()

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Begin at the committed offsets. Must not raise: the client would drop records."""
        assigned = {(partition.topic, partition.partition) for partition in partitions}
        self._rebalances_total += 1
        self._interrupted = self._is_settled = True
        self._membership.forget()
        self._held |= assigned
        self._changed |= assigned
        self._changed_now |= assigned
        self._gauges.show(self._held, self._paused_topics)
        self._parts.metrics.rebalances.labels(kind=RebalanceKind.ASSIGNED).inc()
        self._parts.tell_problem("")
        self._logger.info(PARTITIONS_ASSIGNED, role=ROLE, partitions=len(assigned))
        try:
            starts = self._starts(assigned) if assigned else []
        except BrokerUnavailable:
            # Read and drop until the committed offsets can be asked for.
            self._unpositioned |= assigned
            starts = [TopicPartition(*partition, OFFSET_BEGINNING) for partition in assigned]
        try:
            if self._incremental:
                consumer.incremental_assign(starts)
            else:
                consumer.assign(starts)
            paused = [start for start in starts if start.topic in self._paused_topics]
            if paused:
                consumer.pause(paused)
        except KafkaException as exception:
            self._unpositioned |= assigned
            self._voice.warn_of(ROLE, error_of(exception), None)

    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget(partitions, RebalanceKind.REVOKED, PARTITIONS_REVOKED)

    def _on_lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget(partitions, RebalanceKind.LOST, PARTITIONS_LOST)

    def _forget(self, partitions: list[TopicPartition], kind: RebalanceKind, event: str) -> None:
        """Hold these no longer; the client takes them away when the callback returns."""
        revoked = {(partition.topic, partition.partition) for partition in partitions}
        self._rebalances_total += 1
        self._interrupted = True
        if kind is RebalanceKind.LOST or not self._incremental:
            self._is_settled = False
        self._membership.forget()
        self._held -= revoked
        self._unpositioned -= revoked
        self._doubted -= revoked
        self._positions.forget(revoked)
        self._changed |= revoked
        self._changed_now |= revoked
        self._gauges.forget(revoked)
        self._gauges.show(self._held, self._paused_topics)
        self._parts.metrics.rebalances.labels(kind=kind).inc()
        self._logger.info(event, role=ROLE, partitions=len(revoked))
