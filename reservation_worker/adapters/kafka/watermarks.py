"""Where partitions begin and end, as the brokers know it now."""

from collections.abc import Sequence
from enum import Enum, auto
from typing import Final

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from reservation_worker.adapters.kafka.errors import error_of, sentence_of
from reservation_worker.ports import Partition


class Edge(Enum):
    """One end of a partition."""

    EARLIEST = auto()
    LATEST = auto()


_SPECS: Final[dict[Edge, OffsetSpec]] = {
    Edge.EARLIEST: OffsetSpec.earliest(),  # type: ignore[no-untyped-call]
    Edge.LATEST: OffsetSpec.latest(),  # type: ignore[no-untyped-call]
}


def stable_edges(
    admin: AdminClient, partitions: Sequence[TopicPartition], timeout_seconds: float
) -> tuple[dict[Partition, int], dict[Partition, int], dict[Partition, str]]:
    """Return where partitions begin and where what may be read of them ends.

    And why nobody can tell of the others: one without a leader says nothing of the rest.
    """
    edges: dict[Edge, dict[Partition, int]] = {}
    silent: dict[Partition, str] = {}
    for edge, spec in _SPECS.items():
        answers = admin.list_offsets(
            dict.fromkeys(partitions, spec),
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=timeout_seconds,
        )
        edges[edge] = {}
        for one, answer in answers.items():
            partition = (one.topic, one.partition)
            try:
                edges[edge][partition] = answer.result().offset
            except KafkaException as exception:
                silent[partition] = sentence_of(error_of(exception))
    return edges[Edge.EARLIEST], edges[Edge.LATEST], silent


def edge_offsets(
    admin: AdminClient, partitions: Sequence[TopicPartition], edge: Edge, timeout_seconds: float
) -> dict[Partition, int]:
    """Return an edge of each partition, records of open transactions included.

    Read-uncommitted: the last stable offset would hide what is about to be committed.

    Raises:
        KafkaException: Kafka does not answer.
    """
    answers = admin.list_offsets(
        dict.fromkeys(partitions, _SPECS[edge]),
        isolation_level=IsolationLevel.READ_UNCOMMITTED,
        request_timeout=timeout_seconds,
    )
    return {
        (partition.topic, partition.partition): answer.result().offset
        for partition, answer in answers.items()
    }
