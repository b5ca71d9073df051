"""What the client hands out, as the records of this package."""

from confluent_kafka import Message as ReadMessage

from reservation_worker.contracts.records import Record
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
