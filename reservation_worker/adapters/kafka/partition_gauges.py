"""What is assigned, paused, and still to be read, as metrics."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from reservation_worker.ports import Clock, Partition
from reservation_worker.telemetry.metrics import Metrics

LAG_INTERVAL_MS: Final = 5_000


class PartitionGauges:
    """Of one consumer; asks no broker: the client remembers the ends that fetches told it."""

    def __init__(self, topics: Sequence[str], metrics: Metrics, clock: Clock) -> None:
        self._topics = tuple(topics)
        self._metrics = metrics
        self._now_ms = clock.monotonic_ms
        self._positions: dict[Partition, int] = {}
        self._measure_at_ms = 0

    def show(self, held: Collection[Partition], paused_topics: Collection[str]) -> None:
        """Show what is assigned, and what of it is paused."""
        totals = Counter(topic for topic, _number in held)
        for topic in self._topics:
            self._metrics.assigned_partitions.labels(topic=topic).set(totals[topic])
            self._metrics.paused_partitions.labels(topic=topic).set(
                totals[topic] if topic in paused_topics else 0
            )

    def forget(self, revoked: Collection[Partition]) -> None:
        """Drop the lag of partitions that somebody else reads now."""
        for topic, number in revoked:
            if self._positions.pop((topic, number), None) is not None:
                self._metrics.forget_partition(topic, number)

    def measure(self, consumer: Consumer, read_up_to: Mapping[Partition, int]) -> None:
        """Take what was read, and show the lag from time to time."""
        self._positions.update(read_up_to)
        if self._now_ms() < self._measure_at_ms:
            return
        self._measure_at_ms = self._now_ms() + LAG_INTERVAL_MS
        for (topic, number), position in self._positions.items():
            try:
                # Of a read-committed consumer this is the end of what may be read.
                ends = consumer.get_watermark_offsets(TopicPartition(topic, number), cached=True)
            except KafkaException:
                continue
            if ends[1] >= 0:
                self._metrics.consumer_lag_records.labels(topic, str(number)).set(
                    max(0, ends[1] - position)
                )
