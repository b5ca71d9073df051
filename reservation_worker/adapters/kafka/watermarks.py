"""Where partitions begin and end, as the brokers know it now."""

from collections.abc import Sequence
from enum import Enum, auto
from typing import Final

from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from reservation_worker.ports import Partition


class Edge(Enum):
    """One end of a partition."""

    EARLIEST = auto()
    LATEST = auto()


_SPECS: Final[dict[Edge, OffsetSpec]] = {
    Edge.EARLIEST: OffsetSpec.earliest(),  # type: ignore[no-untyped-call]
    Edge.LATEST: OffsetSpec.latest(),  # type: ignore[no-untyped-call]
}


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
