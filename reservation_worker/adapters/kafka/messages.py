"""What the client hands out, as the records of this package."""

from collections.abc import Callable, Collection, Iterable

from confluent_kafka import KafkaError
from confluent_kafka import Message as ReadMessage

from reservation_worker.adapters.kafka.errors import is_end_of_partition
from reservation_worker.adapters.kafka.producer import Message
from reservation_worker.contracts.records import ANY_PARTITION, DeadLetter, Record
from reservation_worker.ports import Partition


def place_of(message: ReadMessage) -> tuple[Partition, int]:
    """Return partition and offset of a record, or of the end of a partition."""
    topic, number, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert number is not None
    assert offset is not None
    return (topic, number), offset


def record_of(message: ReadMessage) -> Record:
    """Return what was read."""
    (topic, number), offset = place_of(message)
    headers = message.headers()
    return Record(
        topic,
        number,
        offset,
        message.timestamp()[1],
        message.key(),
        message.value(),
        tuple(headers) if headers else (),  # type: ignore[arg-type]  # bytes as read
    )


def converted(
    messages: Iterable[ReadMessage],
    dropped: Collection[Partition],
    meet: Callable[[KafkaError, str | None, int | None], None],
) -> tuple[tuple[Record, ...], dict[Partition, int]]:
    """Return records, and how far each partition was read: the next offset.

    Of the partitions that are dropped nothing is returned; each error is told to `meet`.
    """
    records: list[Record] = []
    read_up_to: dict[Partition, int] = {}
    for message in messages:
        error = message.error()
        if error is not None and not is_end_of_partition(error):
            meet(error, message.topic(), message.partition())
            continue
        partition, offset = place_of(message)
        if dropped and partition in dropped:
            continue
        if error is not None:
            read_up_to[partition] = offset
            continue
        read_up_to[partition] = offset + 1
        records.append(record_of(message))
    return tuple(records), read_up_to


def letter_message(topic: str, letter: DeadLetter) -> Message:
    """Return a dead letter as a producer takes it."""
    return (topic, letter.value, letter.key, ANY_PARTITION, list(letter.headers))
