"""Where the held partitions are read from, and which topic each of these positions belongs to.

An offset says nothing of its topic: one that was deleted, created anew and filled past the old
position would be read from the middle. So every committed offset carries the id of the topic that
it was read from, as that was known *before* reading; whoever holds a position compares the ids when
partitions are assigned, and every few seconds.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Future
from typing import Final

import structlog
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin._topic import TopicDescription

from reservation_worker.adapters.kafka.client_logs import ClientVoice
from reservation_worker.adapters.kafka.errors import error_of
from reservation_worker.adapters.kafka.topic_questions import (
    DescribedTopic,
    TopicQuestions,
)
from reservation_worker.ports import Clock, Partition
from reservation_worker.telemetry.log_events import TOPIC_CREATED_ANEW

LOOK_INTERVAL_MS: Final = 2_000
_TEXT: Final = re.compile(r"v1;topic=(\S{1,64})", re.ASCII)


def topic_text(topic_id: str) -> str:
    """Write which topic an offset belongs to, as the metadata of the offset: ``v1;topic=…``."""
    return f"v1;topic={topic_id}" if topic_id else ""


def topic_in(metadata: str | None) -> str:
    """Read it; empty if somebody else, or an earlier release, has set the offset."""
    found = _TEXT.fullmatch(metadata or "")
    return found.group(1) if found else ""


class HeldPositions:
    """Of one member of the apply group; it alone uses the questions."""

    def __init__(self, questions: TopicQuestions, clock: Clock, request_seconds: float) -> None:
        self._questions = questions
        self._now_ms = clock.monotonic_ms
        self._request_seconds = request_seconds
        self._logger = structlog.get_logger()
        self._topics: dict[Partition, str] = {}
        """By held partition, the id of the topic that it is read from; empty: not known."""
        self._newest: dict[str, str] = {}
        """By topic, the id that the brokers told last."""
        self._read: dict[Partition, int] = {}
        self._committed: dict[Partition, int] = {}
        self._asked: Mapping[str, Future[TopicDescription]] = {}
        self._look_at_ms = 0

    @property
    def outdated(self) -> frozenset[Partition]:
        """Partitions whose topic is another one by now: what comes from them has no position."""
        return frozenset(
            partition
            for partition, topic_id in self._topics.items()
            if self._newest.get(partition[0], topic_id) != topic_id
        )

    def starts(
        self, consumer: Consumer, voice: ClientVoice, partitions: Collection[Partition]
    ) -> list[TopicPartition]:
        """Return where to begin: where this very topic is committed, else at its beginning.

        Raises:
            BrokerUnavailable: Kafka does not answer.
        """
        self._learn({topic for topic, _ in partitions})
        asked = [TopicPartition(*partition) for partition in sorted(partitions)]
        try:
            answers = consumer.committed(asked, timeout=self._request_seconds)
        except KafkaException as exception:
            raise voice.explained(error_of(exception), "Reading committed offsets") from exception
        return [self._start(voice, answer) for answer in answers]

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Drop what is known of partitions that somebody else reads now."""
        for partition in partitions:
            self._topics.pop(partition, None)
            self._read.pop(partition, None)
            self._committed.pop(partition, None)

    def stamped(self, offsets: Mapping[Partition, int]) -> list[TopicPartition]:
        """Return offsets for a commit, each with the topic that it belongs to."""
        return [
            TopicPartition(*partition, offset, topic_text(self._topics.get(partition, "")))
            for partition, offset in offsets.items()
        ]

    def note_read(self, read_up_to: Mapping[Partition, int]) -> None:
        """Take what was handed out."""
        self._read.update(read_up_to)

    def note_committed(self, offsets: Mapping[Partition, int]) -> None:
        """Take what is committed."""
        self._committed.update(offsets)

    def look(self) -> None:
        """Ask from time to time which topics these are, and take the answer; never waits."""
        if self._asked and all(answer.done() for answer in self._asked.values()):
            answers, self._asked = self._asked, {}
            try:
                self._take(self._questions.described(answers))
            except KafkaException:
                return
        if self._topics and not self._asked and self._now_ms() >= self._look_at_ms:
            self._look_at_ms = self._now_ms() + LOOK_INTERVAL_MS
            names = sorted({topic for topic, _ in self._topics})
            self._asked = self._questions.begin_describing(names)

    def look_closely(self, partition: Partition) -> bool:
        """Ask at once; tell whether the topic of a held partition is another one by now.

        Raises:
            BrokerUnavailable: Kafka does not answer: nobody can tell.
        """
        self._learn({partition[0]})
        return partition in self.outdated

    def restartable(self) -> frozenset[Partition]:
        """Return those of the outdated of which nothing is in hand any more.

        What was read of the old topic can be read nowhere again: it is applied and committed first.
        """
        return frozenset(
            one for one in self.outdated if self._committed.get(one) == self._read.get(one)
        )

    def restarts(self, partitions: Collection[Partition]) -> list[TopicPartition]:
        """Begin the new topic at its beginning."""
        for topic in sorted({topic for topic, _ in partitions}):
            self._say(topic, sum(one == topic for one, _ in partitions))
        for partition in partitions:
            self._topics[partition] = self._newest[partition[0]]
            self._read.pop(partition, None)
            self._committed.pop(partition, None)
        return [TopicPartition(*partition, OFFSET_BEGINNING) for partition in sorted(partitions)]

    def _start(self, voice: ClientVoice, answer: TopicPartition) -> TopicPartition:
        partition = (answer.topic, answer.partition)
        if answer.error is not None:
            name = f"{answer.topic}-{answer.partition}"
            raise voice.explained(answer.error, f"Reading the committed offset of {name}")
        belongs_to, newest = topic_in(answer.metadata), self._newest.get(answer.topic, "")
        is_another = bool(belongs_to and newest and belongs_to != newest)
        if is_another:
            self._say(answer.topic, 1)
        self.forget((partition,))
        self._topics[partition] = newest or belongs_to
        is_there = answer.offset >= 0 and not is_another
        return TopicPartition(*partition, answer.offset if is_there else OFFSET_BEGINNING)

    def _learn(self, topics: Collection[str]) -> None:
        self._take(self._questions.describe(sorted(topics)))

    def _take(self, topics: Mapping[str, DescribedTopic | KafkaError]) -> None:
        for name, topic in topics.items():
            if isinstance(topic, DescribedTopic):
                self._newest[name] = topic.topic_id
                for partition, known in self._topics.items():
                    if partition[0] == name and not known:
                        self._topics[partition] = topic.topic_id

    def _say(self, topic: str, partitions: int) -> None:
        self._logger.warning(
            TOPIC_CREATED_ANEW,
            topic=topic,
            partitions=partitions,
            reason="it was deleted and created anew since these positions were committed: it is "
            "read from its beginning",
        )
