"""How far the payment topic reaches, and how far it has been applied and published."""

from collections.abc import Mapping
from typing import Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from reservation_worker.adapters.kafka.client_logs import ClientVoice
from reservation_worker.adapters.kafka.configuration import KafkaConfig, reader_options
from reservation_worker.adapters.kafka.errors import error_of, reason_of, sentence_of
from reservation_worker.adapters.kafka.held_positions import topic_in
from reservation_worker.adapters.kafka.renewing import Renewing
from reservation_worker.adapters.kafka.topic_questions import DescribedTopic, TopicQuestions
from reservation_worker.adapters.kafka.watched import WatchedConsumer
from reservation_worker.adapters.kafka.watermarks import Edge
from reservation_worker.ports import BrokerUnavailable, PaymentEnds

ROLE: Final = "frontier"


class KafkaPaymentOffsets:
    """Asks the brokers each time: nothing is remembered from one question to the next."""

    def __init__(self, config: KafkaConfig, topic: str) -> None:
        self._topic = topic
        self._group_id = config.group_id
        self._request_seconds = config.request_timeout_ms / 1000
        self._questions = TopicQuestions(config, ROLE)
        # It never joins the group, it only asks for its offsets. An admin client can ask as well,
        # but ends the process (a null pointer in the client library) if the group's coordinator is
        # moving: confluentinc/confluent-kafka-javascript#374.
        options = reader_options(config, ROLE)
        self._voice = ClientVoice(options, config.secrets)
        self._consumers = Renewing(
            lambda: WatchedConsumer({**options, **self._voice.options}, config)
        )

    def ends(self) -> PaymentEnds:
        """Return the end of every partition, records of open transactions included.

        Raises:
            BrokerUnavailable: Kafka does not answer.
        """
        topic = self._described()
        ends = self._questions.edges(self._partitions(topic), Edge.LATEST)
        return PaymentEnds(topic.topic_id, {number: offset for (_, number), offset in ends.items()})

    def committed_offsets(self, topic_id: str) -> Mapping[int, int]:
        """Return what the apply group has committed of this very topic; absent: nothing.

        Raises:
            BrokerUnavailable: Kafka does not answer, or has another topic of that name by now.
        """
        topic = self._described()
        if topic.topic_id != topic_id:
            raise BrokerUnavailable(f"The topic {self._topic} is being created anew.")
        consumer = self._consumers.client
        try:
            answers = consumer.committed(self._partitions(topic), timeout=self._request_seconds)
        except KafkaException as exception:
            self._consumers.unanswered()
            raise self._explained(error_of(exception), consumer) from exception
        self._consumers.answered()
        for answer in answers:
            if answer.error is not None:
                raise self._explained(answer.error, consumer)
        return {
            answer.partition: answer.offset
            for answer in answers
            if answer.offset >= 0 and topic_in(answer.metadata) in {topic_id, ""}
        }

    def _described(self) -> DescribedTopic:
        topic = self._questions.describe([self._topic])[self._topic]
        if isinstance(topic, DescribedTopic):
            return topic
        raise BrokerUnavailable(f"The topic {self._topic}: {sentence_of(topic)}", reason_of(topic))

    def _partitions(self, topic: DescribedTopic) -> list[TopicPartition]:
        return [TopicPartition(self._topic, number) for number in range(topic.partitions)]

    def _explained(self, error: KafkaError, consumer: WatchedConsumer) -> BrokerUnavailable:
        doing = f"Reading what the group {self._group_id} has committed of {self._topic}"
        # Nothing is assigned to it: polling does nothing but hear of its troubles.
        return self._voice.explained(error, doing, consumer)
