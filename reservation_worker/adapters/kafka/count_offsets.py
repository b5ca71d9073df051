"""How far the counts reach, and how far the apply group has applied and published them."""

from threading import Thread
from typing import Final

from confluent_kafka import KafkaException, TopicPartition

from reservation_worker.adapters.kafka.client_logs import ClientVoice
from reservation_worker.adapters.kafka.configuration import KafkaConfig, reader_options
from reservation_worker.adapters.kafka.errors import error_of, reason_of, sentence_of
from reservation_worker.adapters.kafka.held_positions import topic_in
from reservation_worker.adapters.kafka.topic_questions import DescribedTopic, TopicQuestions
from reservation_worker.adapters.kafka.watched import WatchedConsumer
from reservation_worker.adapters.kafka.watermarks import stable_edges
from reservation_worker.ports import (
    BrokerUnavailable,
    CountsAnswer,
    CountsOfPartition,
    CountsQuestion,
)

ROLE: Final = "counts"


class KafkaCountOffsets:
    """Asks the brokers in a thread of its own: whoever asks goes on polling and applying counts."""

    def __init__(self, config: KafkaConfig, topic: str) -> None:
        self._topic = topic
        self._request_seconds = config.request_timeout_ms / 1000
        self._questions = TopicQuestions(config, ROLE)
        # It never joins the group, it only asks for its offsets.
        options = reader_options(config, ROLE)
        self._voice = ClientVoice(options, config.secrets)
        self._consumer = WatchedConsumer({**options, **self._voice.options}, config)

    def ask(self) -> CountsQuestion:
        """Begin to ask, without waiting; the answer is not older than this call."""
        return _Question(self)

    def look(self) -> CountsAnswer:
        """Ask, and wait for the answer: ends first, so that what is committed is not older.

        Raises:
            BrokerUnavailable: Kafka does not answer.
        """
        topic = self._questions.describe([self._topic])[self._topic]
        if not isinstance(topic, DescribedTopic):
            raise BrokerUnavailable(
                f"The topic {self._topic}: {sentence_of(topic)}", reason_of(topic)
            )
        partitions = [TopicPartition(self._topic, number) for number in range(topic.partitions)]
        try:
            starts, ends, silent = stable_edges(
                self._questions.admin, partitions, self._request_seconds
            )
            answers = self._consumer.committed(partitions, timeout=self._request_seconds)
        except KafkaException as exception:
            doing = f"Reading how far {self._topic} is applied"
            # Nothing is assigned to it: polling does nothing but hear of its troubles.
            error = error_of(exception)
            raise self._voice.explained(error, doing, self._consumer) from exception
        found: dict[int, CountsOfPartition] = {}
        reasons = {number: why for (_topic, number), why in silent.items()}
        for answer in answers:
            number, partition = answer.partition, (self._topic, answer.partition)
            if answer.error is not None:
                reasons[number] = sentence_of(answer.error)
            elif number not in reasons:
                # Of a topic that was deleted and created anew it says nothing.
                is_its = answer.offset >= 0 and topic_in(answer.metadata) in {topic.topic_id, ""}
                committed = answer.offset if is_its else None
                found[number] = CountsOfPartition(starts[partition], ends[partition], committed)
        return CountsAnswer(found, reasons)


class _Question:
    """Asked in a thread that ends with the requests' own time-outs."""

    def __init__(self, offsets: KafkaCountOffsets) -> None:
        self._offsets = offsets
        self._answer: CountsAnswer | None = None
        self._outage: BrokerUnavailable | None = None
        self._thread = Thread(target=self._ask, name=ROLE, daemon=True)
        self._thread.start()

    def answer(self) -> CountsAnswer | None:
        if self._thread.is_alive():
            return None
        if self._outage is not None:
            raise self._outage
        assert self._answer is not None, "the question ended in a surprise; its thread says which"
        return self._answer

    def _ask(self) -> None:
        try:
            self._answer = self._offsets.look()
        except BrokerUnavailable as outage:
            self._outage = outage
