"""Facts at a steady rate, and when each one's change was read."""

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
    """What a reader has read so far, on the clock of this process."""

    at: dict[Coordinates, float] = field(default_factory=dict)
    """When the change of each record was read first."""
    expired: int = 0
    """Changes made by deadlines."""
    expired_at: float = 0.0
    """When the last one of those was read."""
    read_at: float = 0.0


def note_change(seen: Seen, record: ReadMessage, at: float) -> None:
    """Note what the worker has published.

    Settlements are left out: the schedule states them, some time after the count they follow.
    """
    value = record.value()
    if value is None:
        return
    change = _decode(value)
    if change.reason == BY_DEADLINE:
        seen.expired += 1
        seen.expired_at = at
    cause = change.cause
    if cause is not None and change.reason != BY_BALANCE:
        seen.at.setdefault((cause.topic, cause.partition, cause.offset), at)


def note_key(seen: Seen, record: ReadMessage, at: float) -> None:
    """Note what was passed through: its key names the record, where it is the record's first."""
    topic, _, place = (record.key() or b"").decode().partition("/")
    number, _, offset = place.partition("/")
    if number.isdigit() and offset.isdigit():
        seen.at.setdefault((topic, int(number), int(offset)), at)


@contextmanager
def followed(found: Place, note: Callable[[Seen, ReadMessage, float], None]) -> Iterator[Seen]:
    """Read in a thread, which waits in the client: polling would take a core from the worker."""
    reader, seen, ended = Reader(found), Seen(), Event()

    def read() -> None:
        while not ended.is_set():
            for record in reader.read_records(READ_SECONDS):
                seen.read_at = time.perf_counter()
                note(seen, record, seen.read_at)

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
) -> dict[Coordinates, float]:
    """Send facts at a steady rate; return when each was sent."""
    names = found.input_topics()
    producer = Producer({"bootstrap.servers": found.bootstrap_servers, "linger.ms": 0})
    sent_at: dict[Coordinates, float] = {}

    def send_one(message: Message) -> None:
        at = time.perf_counter()

        def delivered(_error: object, record: ReadMessage) -> None:
            topic, partition, offset = record.topic(), record.partition(), record.offset()
            assert topic is not None
            assert partition is not None
            assert offset is not None
            sent_at[topic, partition, offset] = at

        producer.produce(names[message.topic], message.value, on_delivery=delivered)

    begun = time.perf_counter()
    for number in range(round(rate * seconds)):
        due = begun + number / rate
        while (early := due - time.perf_counter()) > 0:
            producer.poll(early)
        send_one(next(messages))
    assert producer.flush(FLUSH_SECONDS) == 0, "the broker did not take all records"
    return sent_at


def offer_lead(found: Place, seen: Seen, messages: Iterator[Message], rate: int) -> None:
    """Send the facts before those that count, and wait for their changes.

    Raises:
        Stalled: most records have made no change.
    """
    latencies_ms(seen, offer(found, messages, rate, LEAD_SECONDS))


def latencies_ms(
    seen: Seen, sent_at: dict[Coordinates, float], until: float | None = None
) -> list[float]:
    """Wait until nothing more comes; return how long each change took, in milliseconds.

    Raises:
        Stalled: most records have made no change.
    """
    give_up_at = time.perf_counter() + STALL_SECONDS
    while time.perf_counter() < give_up_at:
        if not sent_at.keys() - seen.at.keys():
            break
        if seen.read_at and time.perf_counter() - seen.read_at > QUIET_SECONDS:
            break
        time.sleep(READ_SECONDS)
    taken = [
        (seen.at[one] - at) * 1_000
        for one, at in sent_at.items()
        if one in seen.at and (until is None or at < until)
    ]
    if len(taken) < len(sent_at) // 2 and until is None:
        raise Stalled(f"only {len(taken)} of {len(sent_at)} facts made a change")
    return taken
