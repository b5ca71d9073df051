"""One pass over what is published of a shard, to restore it from."""

from collections.abc import Sequence
from typing import Final, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as ReadMessage

from reservation_worker.adapters.kafka.configuration import (
    KafkaConfig,
    OptionValue,
    reader_options,
)
from reservation_worker.adapters.kafka.errors import (
    error_of,
    is_end_of_partition,
    reason_of,
    sentence_of,
)
from reservation_worker.contracts.records import (
    SOURCE_HEADER,
    OutputTopic,
    PublishedRecord,
    step_of,
)
from reservation_worker.domain.values import value_class
from reservation_worker.ports import BrokerUnavailable, Clock, PartitionUnreachable, PublishedBy
from reservation_worker.telemetry.labels import LostReason

Header = tuple[str, str | bytes | None]
ROLE: Final = "restore"
POLL_SECONDS: Final = 0.05
FETCH_WAIT_MS: Final = 10


@value_class(frozen=True, slots=True)
class Pass:
    """One partition, from its first offset to the end that it had when the reading began."""

    topic: OutputTopic
    name: str
    partition: int
    begin: int
    end: int


def read_back_options(config: KafkaConfig) -> dict[str, OptionValue]:
    """Return the options of the consumer: it meets the end of a partition again and again.

    That is told by an answer without records, for which the broker would wait half a second.
    """
    return {**reader_options(config, ROLE), "fetch.wait.max.ms": FETCH_WAIT_MS}


class KafkaReadBack:
    """Reads partition after partition, outside of any group, committed records only."""

    def __init__(
        self, consumer: Consumer, passes: Sequence[Pass], timeout_ms: int, clock: Clock
    ) -> None:
        """Read by a consumer that nobody else uses meanwhile."""
        self._passes = [one for one in passes if one.end > one.begin]
        self._timeout_ms = timeout_ms
        self._now_ms = clock.monotonic_ms
        self._consumer = consumer
        self._offset = 0
        self._highest_step = 0
        self._sources: dict[tuple[str, Header], PublishedBy] = {}
        self._source: Header = ("", b"")
        """The header that the last record had: so do most of those behind it."""
        self._progress_at_ms = 0
        self._assign()

    @property
    def finished(self) -> bool:
        """Whether everything has been returned."""
        return not self._passes

    @property
    def records_left(self) -> int:
        """At most so many records are still to come."""
        if not self._passes:
            return 0
        further = sum(one.end - one.begin for one in self._passes[1:])
        return self._passes[0].end - self._offset + further

    @property
    def highest_step(self) -> int:
        """The highest step whose events have been returned; 0: none."""
        return self._highest_step

    @property
    def sources(self) -> Sequence[PublishedBy]:
        """Who has published what has been returned; records without a source are nobody's."""
        return list(self._sources.values())

    def read(self, records_max: int) -> Sequence[PublishedRecord]:
        """Return the next records in the order of their partition, all of one topic.

        Raises:
            BrokerUnavailable: the partition cannot be read, or a transaction is still open in it.
        """
        if self.finished:
            return ()
        current = self._passes[0]
        try:
            first = self._consumer.poll(POLL_SECONDS)
            messages = [] if first is None else [first, *self._consumer.consume(records_max - 1, 0)]
        except KafkaException as exception:
            raise self._unreadable(current, error_of(exception)) from exception
        taken = [(message, self._take(message, current)) for message in messages]
        records = [record for _, record in taken if record is not None]
        # Of a partition the steps only grow; a record that another program wrote may have none.
        steps = (
            step_of(dict(message.headers() or ()))
            for message, record in reversed(taken)
            if record is not None
        )
        self._highest_step = max(self._highest_step, next((one for one in steps if one), 0))
        self._note_sources([message for message, record in taken if record], current.name)
        if self._offset >= current.end:
            self._passes.pop(0)
            self._assign()
        elif messages:
            self._progress_at_ms = self._now_ms()
        elif self._now_ms() > self._progress_at_ms + self._timeout_ms:
            self._progress_at_ms = self._now_ms()
            raise PartitionUnreachable(
                f"{current.name}-{current.partition} cannot be read beyond offset {self._offset} "
                f"of {current.end}: a transaction is still open in it, or its leader is away",
                LostReason.NO_LEADER,
            )
        return records

    def close(self) -> None:
        """Read no further."""
        self._consumer.unassign()

    @staticmethod
    def _unreadable(current: Pass, error: KafkaError) -> BrokerUnavailable:
        return PartitionUnreachable(
            f"{current.name}-{current.partition} cannot be read: {sentence_of(error)}",
            reason_of(error),
        )

    def _note_sources(self, messages: Sequence[ReadMessage], topic: str) -> None:
        """Note the first and the last of each run of records with the same source."""
        last_offset = None
        for message in messages:
            headers = cast("Sequence[Header]", message.headers() or ())
            if self._source not in headers:
                self._note(topic, last_offset)
                named = (one for one in headers if one[0] == SOURCE_HEADER)
                self._source = next(named, ("", b""))
                self._note(topic, message.offset())
            last_offset = message.offset()
        self._note(topic, last_offset)

    def _note(self, topic: str, offset: int | None) -> None:
        name, source = self._source
        if offset is None or not name or source is None:
            return
        before = self._sources.get((topic, self._source))
        first = offset if before is None else before.first_offset
        text = source if isinstance(source, str) else source.decode(errors="replace")
        self._sources[topic, self._source] = PublishedBy(topic, text, first, offset)

    def _assign(self) -> None:
        if self._passes:
            one = self._passes[0]
            self._offset = one.begin
            self._source = ("", b"")
            self._consumer.assign([TopicPartition(one.name, one.partition, one.begin)])
        self._progress_at_ms = self._now_ms()

    def _take(self, message: ReadMessage, current: Pass) -> PublishedRecord | None:
        error, offset = message.error(), message.offset()
        if error is not None and not is_end_of_partition(error):
            raise self._unreadable(current, error)
        if (message.topic(), message.partition()) != (current.name, current.partition):
            return None  # Of the pass before: fetched, and no longer wanted.
        assert offset is not None
        if error is not None:
            # Behind aborted and control records; before the end, a transaction is still open.
            self._offset = max(self._offset, offset)
            return None
        if offset >= current.end:
            self._offset = current.end
            return None
        self._offset = offset + 1
        # Without a key only on the topic that is not restored from: the others are compacted.
        _, timestamp_ms = message.timestamp()
        key, value = message.key() or b"", message.value()
        # What has a body says its step there: headers are costly to read.
        step = 0 if value is not None else step_of(dict(message.headers() or ()))
        return PublishedRecord(current.topic, key, value, offset, timestamp_ms, step)
