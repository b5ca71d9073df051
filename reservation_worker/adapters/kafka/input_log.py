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
from confluent_kafka import Message as ReadMessage

from reservation_worker.adapters.kafka.client_logs import forward_client_logs
from reservation_worker.adapters.kafka.configuration import (
    KafkaConfig,
    Rebalancing,
    member_options,
    producer_options,
)
from reservation_worker.adapters.kafka.errors import (
    error_of,
    is_end_of_partition,
    says_out_of_range,
)
from reservation_worker.adapters.kafka.membership import MembershipCapture
from reservation_worker.adapters.kafka.partition_gauges import PartitionGauges
from reservation_worker.adapters.kafka.producer import (
    ProducerTimeouts,
    TransactionalProducer,
)
from reservation_worker.adapters.kafka.watched import WatchedConsumer
from reservation_worker.contracts.records import ANY_PARTITION, DeadLetter, Record
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


class KafkaInputLog:
    """A consumer of the apply group, and the producer of its dead letters."""

    def __init__(self, config: KafkaConfig, parts: InputLogParts) -> None:
        """Subscribe; the group is joined by polling."""
        self._parts = parts
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
        self._rebalances_total = 0
        self._interrupted = False
        """Since the last poll returned, partitions were shared out, or no broker answered."""
        self._paused_topics: frozenset[str] = frozenset()
        self._gauges = PartitionGauges(parts.topics, parts.metrics, parts.clock)
        self._producer = TransactionalProducer(
            producer_options(config, ROLE),
            ProducerTimeouts(
                config.request_timeout_ms, config.transaction_timeout_ms, config.watch
            ),
            parts.clock,
        )
        options = member_options(config, ROLE, config.group_id)
        logs = forward_client_logs(str(options["client.id"]))
        self._tell_error: Callable[[KafkaError], None] = logs["error_cb"]
        self._consumer = WatchedConsumer({**options, **logs, "error_cb": self._hear_error}, config)
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
        if self._unpositioned:
            self._position_late_ones()
        records, read_up_to = self._convert(messages, dropped)
        self._gauges.measure(self._consumer, read_up_to)
        revoked, self._changed = frozenset(self._changed), set()
        interrupted, self._interrupted = self._interrupted, False
        return Polled(records, read_up_to, revoked, membership, interrupted)

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
            raise BrokerUnavailable(error_of(exception).str()) from exception

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
        positions = [TopicPartition(*partition, offset) for partition, offset in offsets.items()]
        if not dead_letters:
            self._commit_plainly(positions)
            return
        if membership is None:
            raise OwnershipLost("the records were read outside of the group")
        waypoint = self._parts.waypoint
        self._producer.commit(
            (
                (
                    self._parts.dead_letter_topic,
                    dead_letter.value,
                    dead_letter.key,
                    ANY_PARTITION,
                    list(dead_letter.headers),
                )
                for dead_letter in dead_letters
            ),
            positions,
            membership,
            on_produced=lambda: waypoint(Waypoint.DEAD_LETTERS_PRODUCED),
            on_offsets_sent=lambda: waypoint(Waypoint.DEAD_LETTERS_OFFSETS_SENT),
        )
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
        self._consumer.close()
        self._producer.close()

    def _convert(
        self, messages: list[ReadMessage], dropped: set[Partition]
    ) -> tuple[tuple[Record, ...], dict[Partition, int]]:
        records: list[Record] = []
        read_up_to: dict[Partition, int] = {}
        for message in messages:
            topic, number, offset = message.topic(), message.partition(), message.offset()
            error = message.error()
            if error is not None and not is_end_of_partition(error):
                self._raise_or_log(error, f"{topic}-{number}")
                continue
            assert topic is not None
            assert number is not None
            assert offset is not None
            if dropped and (topic, number) in dropped:
                continue
            if error is not None:
                read_up_to[topic, number] = offset
                continue
            read_up_to[topic, number] = offset + 1
            headers = message.headers()
            records.append(
                Record(
                    topic,
                    number,
                    offset,
                    message.timestamp()[1],
                    message.key(),
                    message.value(),
                    tuple(headers) if headers else (),  # type: ignore[arg-type]  # bytes as read
                )
            )
        return tuple(records), read_up_to

    def _raise_or_log(self, error: KafkaError, partition: str) -> None:
        if says_out_of_range(error):
            raise FatallyBroken(
                f"The committed offset of {partition} is not in the partition: records were "
                "deleted before they were applied, or the topic was created anew. Decide what "
                "is to be read, and set the group's offset."
            )
        if error.fatal():
            raise FatallyBroken(f"The consumer is broken: {error.str()}")
        self._logger.warning(CLIENT_WARNED, client=ROLE, code=error.name())

    def _hear_error(self, error: KafkaError) -> None:
        """Take what the client says of itself, inside a poll; must not raise."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001
            self._interrupted = True
        self._tell_error(error)

    def _commit_plainly(self, positions: list[TopicPartition]) -> None:
        try:
            committed = self._consumer.commit(offsets=positions, asynchronous=False)
        except KafkaException as exception:
            raise BrokerUnavailable(error_of(exception).str()) from exception
        for partition in committed:
            if partition.error is not None:
                raise BrokerUnavailable(partition.error.str())

    def _seek(self, partitions: set[Partition]) -> None:
        if not partitions:
            return
        try:
            for position in self._committed(partitions):
                self._consumer.seek(position)
        except KafkaException as exception:
            raise BrokerUnavailable(error_of(exception).str()) from exception

    def _committed(self, partitions: set[Partition]) -> list[TopicPartition]:
        """Return where to begin: a partition without a committed offset at its beginning."""
        answers = self._consumer.committed(
            [TopicPartition(*partition) for partition in sorted(partitions)],
            timeout=self._request_seconds,
        )
        for answer in answers:
            if answer.error is not None:
                raise KafkaException(answer.error)
        return [
            TopicPartition(
                answer.topic,
                answer.partition,
                answer.offset if answer.offset >= 0 else OFFSET_BEGINNING,
            )
            for answer in answers
        ]

    def _position_late_ones(self) -> None:
        try:
            self._seek(self._unpositioned)
        except BrokerUnavailable as error:
            self._logger.warning(CLIENT_WARNED, client=ROLE, code=str(error))
            return
        self._changed |= self._unpositioned
        self._unpositioned.clear()

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Begin at the committed offsets. Must not raise: the client would drop records."""
        assigned = {(partition.topic, partition.partition) for partition in partitions}
        self._rebalances_total += 1
        self._interrupted = True
        self._membership.forget()
        self._held |= assigned
        self._changed |= assigned
        self._changed_now |= assigned
        self._gauges.show(self._held, self._paused_topics)
        self._parts.metrics.rebalances.labels(kind=RebalanceKind.ASSIGNED).inc()
        self._logger.info(PARTITIONS_ASSIGNED, role=ROLE, partitions=len(assigned))
        try:
            starts = self._committed(assigned) if assigned else []
        except KafkaException:
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
            self._logger.warning(CLIENT_WARNED, client=ROLE, code=error_of(exception).name())

    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget(partitions, RebalanceKind.REVOKED, PARTITIONS_REVOKED)

    def _on_lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget(partitions, RebalanceKind.LOST, PARTITIONS_LOST)

    def _forget(self, partitions: list[TopicPartition], kind: RebalanceKind, event: str) -> None:
        """Hold these no longer; the client takes them away when the callback returns."""
        revoked = {(partition.topic, partition.partition) for partition in partitions}
        self._rebalances_total += 1
        self._interrupted = True
        self._membership.forget()
        self._held -= revoked
        self._unpositioned -= revoked
        self._changed |= revoked
        self._changed_now |= revoked
        self._gauges.forget(revoked)
        self._gauges.show(self._held, self._paused_topics)
        self._parts.metrics.rebalances.labels(kind=kind).inc()
        self._logger.info(event, role=ROLE, partitions=len(revoked))
