"""The group whose members own shards: one partition of ``reservation-shards`` each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from reservation_worker.adapters.kafka.client_logs import ClientVoice
from reservation_worker.adapters.kafka.configuration import (
    SHARDS_GROUP_SUFFIX,
    KafkaConfig,
    Rebalancing,
    member_options,
)
from reservation_worker.adapters.kafka.errors import (
    error_of,
    says_broken,
    says_no_right,
    says_unknown_topic,
    sentence_of,
    why_broken,
)
from reservation_worker.adapters.kafka.membership import MembershipCapture
from reservation_worker.adapters.kafka.positions import Asking, committed_positions
from reservation_worker.adapters.kafka.watched import WatchedConsumer
from reservation_worker.ports import Clock, FatallyBroken, OwnedShards, Position
from reservation_worker.telemetry.labels import RebalanceKind
from reservation_worker.telemetry.log_events import (
    PARTITIONS_ASSIGNED,
    PARTITIONS_LOST,
    PARTITIONS_REVOKED,
)
from reservation_worker.telemetry.metrics import Metrics

ROLE: Final = "publish"
POSITIONS_SECONDS: Final = 1.0
"""What lasts longer is an open transaction, most likely of a dead owner; the next attempt is given
as long as any other question.
"""
CAPTURE_ATTEMPTS_MAX: Final = 3
"""A poll that served a rebalance is followed by another one, at most so often."""


@dataclass(frozen=True, slots=True)
class ShardsTopic:
    """The topic whose partitions stand for shards."""

    name: str
    shards_total: int
    """It may have more partitions: those are left alone."""


class KafkaShardGroup:
    """A consumer that reads nothing: its assignment says which shards this process owns.

    Single-threaded: the publishing transaction begins and ends between two polls, and callbacks
    run only inside of polls; so none is open when a callback runs.
    """

    def __init__(
        self, config: KafkaConfig, topic: ShardsTopic, clock: Clock, metrics: Metrics
    ) -> None:
        """Subscribe; the group is joined by polling."""
        self._topic = topic.name
        self._group_id = config.group_id + SHARDS_GROUP_SUFFIX
        self._shards_total = topic.shards_total
        self._metrics = metrics
        self._request_seconds = config.request_timeout_ms / 1000
        self._incremental = config.rebalancing is not Rebalancing.EAGER
        self._logger = structlog.get_logger()
        self._tenures: dict[int, int] = {}
        self._positions_seconds = min(POSITIONS_SECONDS, self._request_seconds)
        self._rebalances_total = 0
        self._problem = ""
        self._is_settled = False
        options = {
            **member_options(config, ROLE, self._group_id),
            "enable.partition.eof": False,
        }
        self._voice = ClientVoice(options, config.secrets)
        self._consumer = WatchedConsumer({**options, **self._voice.options}, config)
        self._membership = MembershipCapture(self._consumer, clock)
        self._consumer.subscribe(
            [topic.name],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )

    def poll(self) -> OwnedShards:
        """Serve the group, without waiting, and capture ownership and membership together.

        Raises:
            FatallyBroken: the client is.
        """
        membership = None
        for _ in range(CAPTURE_ATTEMPTS_MAX):
            rebalances_total = self._rebalances_total
            captured = self._membership.current()
            self._serve()
            if self._rebalances_total == rebalances_total:
                membership = captured
                break
        if membership is not None:
            self._problem = ""
        return OwnedShards(dict(self._tenures), membership, self._is_settled, self._problem)

    def positions(self, shards: Sequence[int]) -> Mapping[int, Position | None]:
        """Read stable positions, after any open transaction; None where there is none.

        Raises:
            BrokerUnavailable: Kafka does not answer, or a transaction is still open.
            FatallyBroken: a position is written in a form that this release does not know.
        """
        seconds = self._positions_seconds
        self._positions_seconds = self._request_seconds
        asking = Asking(self._consumer, self._voice, self._topic, seconds)
        positions = committed_positions(asking, shards)
        self._positions_seconds = min(POSITIONS_SECONDS, self._request_seconds)
        return positions

    def close(self) -> None:
        """Leave the group."""
        self._consumer.leave()

    def _serve(self) -> None:
        try:
            message = self._consumer.poll(0)
        except KafkaException as exception:
            raise FatallyBroken(f"Polling failed: {error_of(exception).str()}") from exception
        error = message.error() if message is not None else None
        if error is None:
            return
        if says_broken(error):
            raise FatallyBroken(why_broken(error))
        if says_no_right(error) or says_unknown_topic(error):
            self._problem = (
                f"The group {self._group_id} of the shards (topic {self._topic}) cannot be joined: "
                f"{sentence_of(error)}."
            )
        self._voice.warn_of(ROLE, error, self._topic)

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Own these shards from now on. Must not raise: the client would swallow it."""
        self._rebalances_total += 1
        self._membership.forget()
        for partition in partitions:
            # What somebody has added stands for no shard.
            if partition.partition < self._shards_total:
                self._tenures[partition.partition] = self._rebalances_total
        self._is_settled = True
        self._count(RebalanceKind.ASSIGNED, PARTITIONS_ASSIGNED, partitions)
        starts = [TopicPartition(self._topic, partition.partition, 0) for partition in partitions]
        try:
            if self._incremental:
                consumer.incremental_assign(starts)
            else:
                consumer.assign(starts)
            if starts:
                consumer.pause(starts)
        except KafkaException as exception:
            self._voice.warn_of(ROLE, error_of(exception), self._topic)

    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget(partitions, RebalanceKind.REVOKED, PARTITIONS_REVOKED)

    def _on_lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget(partitions, RebalanceKind.LOST, PARTITIONS_LOST)

    def _forget(self, partitions: list[TopicPartition], kind: RebalanceKind, event: str) -> None:
        """Own these no longer; the client takes them away when the callback returns."""
        self._rebalances_total += 1
        if kind is RebalanceKind.LOST or not self._incremental:
            self._is_settled = False
        self._membership.forget()
        for partition in partitions:
            self._tenures.pop(partition.partition, None)
        self._count(kind, event, partitions)

    def _count(self, kind: RebalanceKind, event: str, partitions: list[TopicPartition]) -> None:
        self._metrics.rebalances.labels(kind=kind).inc()
        self._logger.info(event, role=ROLE, partitions=len(partitions))
