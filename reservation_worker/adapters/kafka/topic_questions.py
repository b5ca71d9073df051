"""What the brokers say of topics: whether they are there, which ones they are, and how set up."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.admin._topic import TopicDescription

from reservation_worker.adapters.kafka.client_logs import ClientVoice
from reservation_worker.adapters.kafka.configuration import KafkaConfig, connection_options
from reservation_worker.adapters.kafka.errors import (
    error_of,
    says_no_right,
    says_unknown_topic,
)
from reservation_worker.adapters.kafka.renewing import Renewing
from reservation_worker.adapters.kafka.watched import WatchedAdmin
from reservation_worker.adapters.kafka.watermarks import Edge, edge_offsets
from reservation_worker.ports import Partition

RIGHTS: Final = {
    AclOperation.READ: "READ",
    AclOperation.WRITE: "WRITE",
    AclOperation.DESCRIBE: "DESCRIBE",
    AclOperation.DESCRIBE_CONFIGS: "DescribeConfigs",
}


@dataclass(frozen=True, slots=True)
class DescribedTopic:
    """A topic as the brokers know it now."""

    topic_id: str
    """Another one if the topic was deleted and created anew, whatever its name and offsets."""
    partitions: int
    leaderless: frozenset[int]
    """Partitions that nobody can read or write for now."""
    rights: frozenset[str]
    """Those of `RIGHTS` that this client has there; all of them where nobody is restricted."""


Described = Mapping[str, DescribedTopic | KafkaError]
"""By topic; an error where there is none, or this client may not know it."""


class TopicQuestions:
    """Admin clients of its own; each question is bounded by the request timeout."""

    def __init__(self, config: KafkaConfig, role: str) -> None:
        options = connection_options(config, role)
        self.voice = ClientVoice(options, config.secrets)
        self._seconds = config.request_timeout_ms / 1000
        self._admins = Renewing(lambda: WatchedAdmin({**options, **self.voice.options}, config))

    @property
    def admin(self) -> AdminClient:
        """The client of now, for what is not a question."""
        return self._admins.client

    def describe(self, names: Sequence[str]) -> Described:
        """Ask which topics there are, and which ones they are.

        Raises:
            BrokerUnavailable: Kafka does not answer.
        """
        admin = self._admins.client
        try:
            return self.described(
                admin.describe_topics(
                    TopicCollection(list(names)),
                    include_authorized_operations=True,
                    request_timeout=self._seconds,
                )
            )
        except KafkaException as exception:
            self._find_brokers()
            raise self.voice.explained(
                error_of(exception), f"Asking for the topics {', '.join(names)}", admin
            ) from exception

    def described(self, answers: Mapping[str, "Future[TopicDescription]"]) -> Described:
        """Take the answers of `begin_describing`; waits for them if need be.

        Raises:
            KafkaException: Kafka does not answer.
        """
        try:
            found = _described(answers)
        except KafkaException:
            self._admins.unanswered()
            raise
        self._admins.answered()
        return found

    def _find_brokers(self) -> None:
        """Learn who is there: the client goes on asking a broker that is gone for half a minute."""
        with suppress(KafkaException):
            self._admins.client.list_topics(timeout=self._seconds)

    def begin_describing(self, names: Sequence[str]) -> Mapping[str, "Future[TopicDescription]"]:
        """Ask without waiting; `described` takes the answers."""
        admin = self._admins.client
        admin.poll(0)
        # Not the watched call, which waits for the answers.
        answers: Mapping[str, Future[TopicDescription]] = AdminClient.describe_topics(
            admin,
            TopicCollection(list(names)),
            include_authorized_operations=True,
            request_timeout=self._seconds,
        )
        return answers

    def configs(self, names: Iterable[str]) -> Mapping[str, Mapping[str, str] | KafkaError]:
        """Ask how topics are set up; an error where this client may not know.

        Raises:
            BrokerUnavailable: Kafka does not answer.
        """
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        if not resources:
            return {}
        admin = self._admins.client
        answers = admin.describe_configs(resources, request_timeout=self._seconds)
        found: dict[str, Mapping[str, str] | KafkaError] = {}
        for resource, answer in answers.items():
            try:
                entries = answer.result()
            except KafkaException as exception:
                error = error_of(exception)
                if not (says_no_right(error) or says_unknown_topic(error)):
                    self._admins.unanswered()
                    raise self.voice.explained(
                        error, f"Asking how the topic {resource.name} is set up", admin
                    ) from exception
                found[resource.name] = error
            else:
                found[resource.name] = {name: str(one.value) for name, one in entries.items()}
        return found

    def edges(self, partitions: Sequence[TopicPartition], edge: Edge) -> dict[Partition, int]:
        """Ask where partitions begin or end, records of open transactions included.

        Raises:
            BrokerUnavailable: Kafka does not answer, or a partition has no leader.
        """
        try:
            return edge_offsets(self._admins.client, partitions, edge, self._seconds)
        except KafkaException as exception:
            self._admins.unanswered()
            names = ", ".join(f"{one.topic}-{one.partition}" for one in partitions)
            raise self.voice.explained(
                error_of(exception), f"Asking for the {edge.name.lower()} offsets of {names}"
            ) from exception


def _described(answers: Mapping[str, "Future[TopicDescription]"]) -> Described:
    found: dict[str, DescribedTopic | KafkaError] = {}
    for name, answer in answers.items():
        try:
            topic = answer.result()
        except KafkaException as exception:
            error = error_of(exception)
            if not (says_no_right(error) or says_unknown_topic(error)):
                raise
            found[name] = error
        else:
            found[name] = _described_topic(topic)
    return found


def _described_topic(topic: TopicDescription) -> DescribedTopic:
    operations = topic.authorized_operations or []
    return DescribedTopic(
        topic_id=str(topic.topic_id),
        partitions=len(topic.partitions),
        # The library's types do not know it.
        leaderless=frozenset(one.id for one in topic.partitions if not one.leader),
        rights=frozenset(RIGHTS[one] for one in operations if one in RIGHTS),
    )
