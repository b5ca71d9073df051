"""Real servers, one real worker process, and a read_committed reader, for a measurement."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from reservation_worker.benchmark.mix import Message
from reservation_worker.embedded.kafka import ROOMY_JAVA, EmbeddedKafka, KafkaConfig
from reservation_worker.embedded.valkey import EmbeddedValkey

OUTPUT = "reservation-changed"
INPUT_PARTITIONS = 4
STALL_SECONDS = 60
"""A measurement that makes no progress for so long is given up."""


class Stalled(Exception):
    """Nothing came for a long time: the measurement is worth nothing."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the servers of a measurement are."""

    directory: Path
    bootstrap_servers: str
    valkey: EmbeddedValkey

    @property
    def environment(self) -> dict[str, str]:
        """The settings of every process of the measurement."""
        return {
            **os.environ,
            "RESERVATION_KAFKA__BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "RESERVATION_REDIS__URL": self.valkey.url,
            "RESERVATION_HTTP__PORT": "0",
        }

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of the product."""
        return [sys.executable, "-m", "reservation_worker", *arguments]


@contextmanager
def stage(directory: Path) -> Iterator[Stage]:
    """Start Kafka and Valkey (AOF every second) and create the topics."""
    with (
        EmbeddedKafka(
            directory / "kafka", config=KafkaConfig(java_options=ROOMY_JAVA), progress=_say
        ) as kafka,
        EmbeddedValkey(directory / "valkey", append_fsync="everysec") as valkey,
    ):
        found = Stage(directory, kafka.bootstrap_servers, valkey)
        subprocess.run(found.command("topics", "apply", "--yes"), env=found.environment, check=True)
        yield found


@contextmanager
def worker(found: Stage, *, apart: bool = False) -> Iterator[int]:
    """Run a worker, or a process for each role, until SIGTERM; gives a process id."""
    roles = ("apply", "publish") if apart else ("all",)
    with (found.directory / "worker.log").open("ab") as log:
        processes = [
            subprocess.Popen(
                found.command("run", "--role", role), env=found.environment, stdout=log, stderr=log
            )
            for role in roles
        ]
        try:
            yield processes[-1].pid
        finally:
            # In this order: what was applied must be published before it can be committed.
            for process in processes:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()


def send(found: Stage, messages: Iterable[Message]) -> int:
    """Produce messages as fast as the broker takes them; return how many."""
    producer = Producer(
        {"bootstrap.servers": found.bootstrap_servers, "linger.ms": 20, "acks": "all"}
    )
    sent = 0
    for message in messages:
        while True:
            try:
                producer.produce(message.topic, message.value)
                break
            except BufferError:
                producer.poll(0.1)
        sent += 1
        if sent % 1_000 == 0:
            producer.poll(0)
    assert producer.flush(60) == 0, "the broker did not take all records in a minute"
    return sent


class Reader:
    """Reads the published changes of reservations as a subscriber would: read_committed."""

    def __init__(self, found: Stage) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": found.bootstrap_servers,
                "group.id": "benchmark-reader",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 100,
            }
        )
        partitions = self._consumer.list_topics(OUTPUT, 10).topics[OUTPUT].partitions
        self._consumer.assign(
            [TopicPartition(OUTPUT, number, self._end(number)) for number in partitions]
        )

    def _end(self, number: int) -> int:
        """Return the end of a partition; a new topic may still be choosing its leaders."""
        for _ in range(40):
            try:
                ends = self._consumer.get_watermark_offsets(TopicPartition(OUTPUT, number), 5)
            except KafkaException:
                ends = None
            if ends is not None:
                return ends[1]
            time.sleep(0.25)
        raise Stalled(f"partition {number} of {OUTPUT} has no leader")

    def read(self, timeout_seconds: float) -> list[bytes]:
        """Return the bodies that have come."""
        first = self._consumer.poll(timeout_seconds)
        if first is None:
            return []
        found = [first, *self._consumer.consume(5_000, 0)]
        for message in found:
            assert message.error() is None, str(message.error())
        return [value for message in found if (value := message.value()) is not None]

    def count_until_quiet(self, quiet_seconds: float = 3.0) -> tuple[int, float, float]:
        """Count changes until none comes any more; return (count, first, last) on our clock."""
        count, first, last = 0, 0.0, time.monotonic()
        while True:
            bodies = self.read(0.2)
            now = time.monotonic()
            if bodies:
                first = first or now
                count, last = count + len(bodies), now
            elif count and now - last > quiet_seconds:
                return count, first, last
            elif now - last > STALL_SECONDS:
                raise Stalled(f"no change for {STALL_SECONDS} s after {count} changes")

    def close(self) -> None:
        """Leave."""
        self._consumer.close()


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
