"""Facts at a steady rate, and when the broker appended each one and its change.

Both are dated by the broker: a sender or a reader that gets no processor is in no latency.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread

import msgspec
from confluent_kafka import Message as ReadMessage
from confluent_kafka import Producer

from reservation_worker.benchmark.mix import Message
from reservation_worker.benchmark.place import Place
from reservation_worker.benchmark.stage import STALL_SECONDS, Reader, Stalled

READ_SECONDS = 0.1
FLUSH_SECONDS = 10
QUIET_SECONDS = 2.0
"""What has not been read so long after the last change made none: a repeat, for instance."""
LEAD_SECONDS = 1.0
"""So long facts come before those that count: what has just started is slower."""
Coordinates = tuple[str, int, int]
BY_BALANCE = "balance_counted"
BY_DEADLINE = "deadline_reached"


class CauseBody(msgspec.Struct):
    """Coordinates of the record that caused a change."""

    topic: str
    partition: int
    offset: int


class ChangeBody(msgspec.Struct):
    """What a change says of why it was made."""

    reason: str
    cause: CauseBody | None


_decode = msgspec.json.Decoder(ChangeBody).decode


@dataclass(slots=True)
class Seen:
    """What a reader has read so far, in milliseconds since the epoch as its records say."""

    at_ms: dict[Coordinates, int] = field(default_factory=dict)
    """When the first change of each record was appended."""
    expired: int = 0
    """Changes made by deadlines."""
    expired_at_ms: int = 0
    """When the last one of those was appended."""
    read_at: float = 0.0
    """When something was read last, on the clock of this process."""


def note_change(seen: Seen, record: ReadMessage) -> None:
    """Note what the worker has published.

    Settlements are left out: the schedule states them, some time after the count they follow.
    """
    value = record.value()
    if value is None:
        return
    change, (_, at_ms) = _decode(value), record.timestamp()
    if change.reason == BY_DEADLINE:
        seen.expired += 1
        seen.expired_at_ms = max(seen.expired_at_ms, at_ms)
    cause = change.cause
    if cause is not None and change.reason != BY_BALANCE:
        seen.at_ms.setdefault((cause.topic, cause.partition, cause.offset), at_ms)


def note_key(seen: Seen, record: ReadMessage) -> None:
    """Note what was passed through: its key names the record, where it is the record's first."""
    topic, _, place = (record.key() or b"").decode().partition("/")
    number, _, offset = place.partition("/")
    if number.isdigit() and offset.isdigit():
        seen.at_ms.setdefault((topic, int(number), int(offset)), record.timestamp()[1])


@contextmanager
def followed(found: Place, note: Callable[[Seen, ReadMessage], None]) -> Iterator[Seen]:
    """Read in a thread, which waits in the client: polling would take a core from the worker."""
    reader, seen, ended = Reader(found), Seen(), Event()

    def read() -> None:
        while not ended.is_set():
            for record in reader.read_records(READ_SECONDS):
                note(seen, record)
                seen.read_at = time.perf_counter()

    thread = Thread(target=read, name="reader", daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()
        reader.close()


def offer(
    found: Place, messages: Iterator[Message], rate: int, seconds: float
) -> dict[Coordinates, int]:
    """Send facts at a steady rate; return when each was appended, in ms since the epoch."""
    names = found.input_topics()
    producer = Producer({"bootstrap.servers": found.bootstrap_servers, "linger.ms": 0})
    sent_at_ms: dict[Coordinates, int] = {}

    def delivered(_error: object, record: ReadMessage) -> None:
        topic, partition, offset = record.topic(), record.partition(), record.offset()
        assert topic is not None
        assert partition is not None
        assert offset is not None
        sent_at_ms[topic, partition, offset] = record.timestamp()[1]

    begun = time.perf_counter()
    for number in range(round(rate * seconds)):
        due = begun + number / rate
        while (early := due - time.perf_counter()) > 0:
            producer.poll(early)
        message = next(messages)
        producer.produce(names[message.topic], message.value, on_delivery=delivered)
    assert producer.flush(FLUSH_SECONDS) == 0, "the broker did not take all records"
    return sent_at_ms


def latencies_ms(
    seen: Seen,
    sent_at_ms: dict[Coordinates, int],
    is_done: Callable[[], bool],
    until_ms: int | None = None,
) -> list[float]:
    """Wait until nothing more comes; return how long each change took, in milliseconds.

    What makes no change is a repeat, or its group is not done with it.

    Raises:
        Stalled: most records have made no change.
    """
    give_up_at = time.perf_counter() + STALL_SECONDS
    while time.perf_counter() < give_up_at:
        if not sent_at_ms.keys() - seen.at_ms.keys():
            break
        is_quiet = seen.read_at and time.perf_counter() - seen.read_at > QUIET_SECONDS
        if is_quiet and is_done():
            break
        time.sleep(READ_SECONDS)
    taken = [
        float(seen.at_ms[one] - at_ms)
        for one, at_ms in sent_at_ms.items()
        if one in seen.at_ms and (until_ms is None or at_ms < until_ms)
    ]
    if len(taken) < len(sent_at_ms) // 2 and until_ms is None:
        raise Stalled(f"only {len(taken)} of {len(sent_at_ms)} facts made a change")
    return taken
