"""The producer that publishes outboxes and positions together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from confluent_kafka import TopicPartition

from reservation_worker.adapters.kafka.configuration import (
    KafkaConfig,
    producer_options,
    transactional_id,
)
from reservation_worker.adapters.kafka.positions import position_text
from reservation_worker.adapters.kafka.producer import (
    ProducerTimeouts,
    TransactionalProducer,
)
from reservation_worker.contracts.dead_letters import GROUP_HEADER
from reservation_worker.contracts.records import Headers, OutputRecord, OutputTopic
from reservation_worker.ports import Clock, Membership, Position, Waypoint

ROLE: Final = "publish"
POSITION_OFFSET: Final = 0
"""Partitions of ``reservation-shards`` hold no records: only the metadata of the offset counts."""


@dataclass(frozen=True, slots=True)
class TransactionsParts:
    """What publishing transactions are built from."""

    shards_topic: str
    output_topics: Mapping[OutputTopic, str]
    """The names in use."""
    clock: Clock
    waypoint: Callable[[Waypoint], None] = lambda _waypoint: None
    refuse_unsafe: Callable[[], None] = lambda: None
    """Raises `BrokerUnavailable` while the topics are not what the guarantees need."""


class KafkaTransactions:
    """One transaction at a time: records of several shards, and their positions."""

    def __init__(self, config: KafkaConfig, parts: TransactionsParts) -> None:
        self._parts = parts
        self._letter_headers = ((GROUP_HEADER, config.group_id.encode()),)
        self._name = transactional_id(config, ROLE)
        self._producer = TransactionalProducer(
            producer_options(config, ROLE),
            ProducerTimeouts.of(config),
            parts.clock,
        )

    @property
    def producer(self) -> str:
        """What it is called: of two with one name, only the newer one may commit."""
        return self._name

    def end_of(self, producer: str) -> None:
        """End without effect what another producer has left open; it commits nothing more.

        Raises:
            BrokerUnavailable: Kafka does not answer.
            FatallyBroken: Kafka refuses this client.
        """
        self._producer.end_of(producer)

    def prepare(self) -> None:
        """Have a producer with no transaction of an earlier one left open.

        Raises:
            BrokerUnavailable: Kafka does not answer.
            FatallyBroken: Kafka refuses this client.
        """
        self._producer.prepare()

    def commit(
        self,
        records: Sequence[OutputRecord],
        positions: Mapping[int, Position],
        membership: Membership,
    ) -> None:
        """Write records and positions in one transaction.

        Raises:
            BrokerUnavailable: the transaction was aborted; trying again is safe.
            OwnershipLost: the membership is outdated: nothing was committed.
            CommitFateUnknown: read the positions again before anything else.
            FatallyBroken: a record cannot be written at all.
        """
        assert membership.member_id, "an empty member id is checked against nothing"
        self._parts.refuse_unsafe()
        waypoint = self._parts.waypoint
        names = self._parts.output_topics
        self._producer.commit(
            (
                (
                    names[record.topic],
                    record.value,
                    record.key,
                    record.partition,
                    list(self._headers(record)),
                )
                for record in records
            ),
            [
                TopicPartition(
                    self._parts.shards_topic, shard, POSITION_OFFSET, position_text(position)
                )
                for shard, position in positions.items()
            ],
            membership,
            on_produced=lambda: None,
            on_offsets_sent=lambda: waypoint(
                Waypoint.PUBLISH_BEFORE_COMMIT if records else Waypoint.TAKEOVER_BEFORE_MINT
            ),
        )

    def _headers(self, record: OutputRecord) -> Headers:
        """A dead letter names the group that has read the facts as well."""
        if record.topic is OutputTopic.DEAD_LETTER:
            return record.headers + self._letter_headers
        return record.headers

    def close(self) -> None:
        """Give the producer up."""
        self._producer.close()
