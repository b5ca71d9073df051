"""What the client returns, as records and as how far each partition was read."""

from collections.abc import Callable, Collection, Iterable

from confluent_kafka import KafkaError
from confluent_kafka import Message as ReadMessage

from reservation_worker.adapters.kafka.errors import is_end_of_partition
from reservation_worker.contracts.records import Record
from reservation_worker.ports import Partition


def converted(
    messages: Iterable[ReadMessage],
    dropped: Collection[Partition],
    meet: Callable[[KafkaError, str | None, int | None], None],
) -> tuple[tuple[Record, ...], dict[Partition, int]]:
    """Return the records, and behind them, or at the end of a partition, the next offset.

    Args:
        messages: as the client returned them, errors among them.
        dropped: partitions of which nothing is to be returned.
        meet: is told of each error, its topic and its partition.
    """
    records: list[Record] = []
    read_up_to: dict[Partition, int] = {}
    for message in messages:
        topic, number, offset = message.topic(), message.partition(), message.offset()
        error = message.error()
        if error is not None and not is_end_of_partition(error):
            meet(error, topic, number)
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
