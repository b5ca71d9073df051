"""The topics that the worker needs, and how those of a cluster differ from them."""

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Event
from typing import Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.cimpl import NewTopic

from reservation_worker.adapters.kafka.configuration import KafkaConfig
from reservation_worker.adapters.kafka.errors import error_of, reason_of, sentence_of
from reservation_worker.adapters.kafka.kept_records import CLEANUP, RETENTION
from reservation_worker.adapters.kafka.topic_needs import (
    COMPRESSION,
    MESSAGE_BYTES,
    REFUSED,
    Finding,
    NeededTopic,
    State,
    TopicLayout,
    findings,
    needed_topics,
)
from reservation_worker.adapters.kafka.topic_questions import DescribedTopic, TopicQuestions
from reservation_worker.ports import BrokerUnavailable, FatallyBroken
from reservation_worker.telemetry.labels import LostReason, TopicProblem

ROLE: Final = "topics"
BROKERS_DEFAULT: Final = -1
LEADER_LOOKS_MAX: Final = 200
LEADER_LOOK_INTERVAL_SECONDS: Final = 0.05
REFUSED_AT_START: Final = REFUSED | {TopicProblem.MISSING}
"""A right that is missing may be granted at any time: the worker starts, is not ready, and says so.
"""


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """What it takes to have all topics as they should be."""

    create: tuple[NeededTopic, ...]
    differences: tuple[str, ...]
    """What stands otherwise than needed and is not changed by this program: a sentence each."""
    replication_factor: int | None

    @property
    def is_empty(self) -> bool:
        """Tell whether everything is as it should be."""
        return not self.create and not self.differences


class TopicAdmin:
    """Asks a cluster about its topics, and creates those that are missing."""

    def __init__(self, config: KafkaConfig) -> None:
        self._timeout_seconds = config.request_timeout_ms / 1000
        self._questions = TopicQuestions(config, ROLE)

    def cluster_id(self) -> str:
        """Return the name that the cluster gave itself when it was made.

        Raises:
            BrokerUnavailable: Kafka does not answer.
        """
        try:
            metadata = self._questions.admin.list_topics(timeout=self._timeout_seconds)
        except KafkaException as exception:
            raise BrokerUnavailable(error_of(exception).str()) from exception
        # Some brokers have none; the stubs do not know.
        cluster_id: str | None = metadata.cluster_id
        if cluster_id is None:
            raise BrokerUnavailable("Kafka does not say which cluster it is")
        return cluster_id

    def plan(self, layout: TopicLayout) -> TopicPlan:
        """Compare what is with what should be; changes nothing.

        Raises:
            BrokerUnavailable: Kafka does not answer.
        """
        state = self.look(layout)
        needed = needed_topics(layout)
        differences = [one.sentence for one in findings(layout, state) if one.problem in REFUSED]
        differences += [
            difference
            for topic in needed
            if isinstance(config := state.configs.get(topic.name), Mapping)
            for difference in _differences(topic, config)
        ]
        missing = tuple(
            one for one in needed if not isinstance(state.topics[one.name], DescribedTopic)
        )
        return TopicPlan(missing, tuple(differences), layout.replication_factor)

    def apply(self, plan: TopicPlan) -> tuple[str, ...]:
        """Create the missing topics, and return their names; what stands is left as it is.

        Returns when all partitions of the new ones have leaders.

        Raises:
            BrokerUnavailable: Kafka does not answer, or refused one; calling again is safe.
        """
        if not plan.create:
            return ()
        answers = self._questions.admin.create_topics(
            [
                NewTopic(
                    topic.name,
                    topic.partitions,
                    plan.replication_factor or BROKERS_DEFAULT,
                    config=dict(topic.config),
                )
                for topic in plan.create
            ],
            request_timeout=self._timeout_seconds,
            operation_timeout=self._timeout_seconds,
        )
        created = tuple(name for name, answer in answers.items() if _was_created(name, answer))
        self._wait_for_leaders(topic.name for topic in plan.create)
        return created

    def check(self, layout: TopicLayout) -> tuple[Finding, ...]:
        """Refuse to run on topics that would break a guarantee; return what else is to be known.

        Raises:
            FatallyBroken: a topic is missing, has too few partitions, is not compacted although
                shards are restored from it, or keeps records as long as reservations are kept.
            BrokerUnavailable: Kafka does not answer.
        """
        found = tuple(findings(layout, self.look(layout)))
        problems = [one.sentence for one in found if one.problem in REFUSED_AT_START]
        if problems:
            raise FatallyBroken(" ".join(problems))
        return found

    def look(self, layout: TopicLayout) -> State:
        """Ask how the topics are.

        Raises:
            BrokerUnavailable: Kafka does not answer.
        """
        names = [topic.name for topic in needed_topics(layout)]
        topics = self._questions.describe(names)
        there = [name for name in names if isinstance(topics[name], DescribedTopic)]
        return State(topics, self._questions.configs(there))

    def partition_counts(self) -> dict[str, int]:
        """Return the number of partitions of every topic of the cluster.

        Raises:
            BrokerUnavailable: Kafka does not answer.
        """
        try:
            metadata = self._questions.admin.list_topics(timeout=self._timeout_seconds)
        except KafkaException as exception:
            raise self._questions.voice.explained(
                error_of(exception), "Asking for the topics", self._questions.admin
            ) from exception
        return {
            name: len(topic.partitions)
            for name, topic in metadata.topics.items()
            if topic.error is None
        }

    def _wait_for_leaders(self, names: Iterable[str]) -> None:
        """Wait until the brokers have told each other about new topics."""
        waiting = set(names)
        pause = Event()
        for _ in range(LEADER_LOOKS_MAX):
            metadata = self._questions.admin.list_topics(timeout=self._timeout_seconds)
            for name in tuple(waiting):
                topic = metadata.topics.get(name)
                if topic and topic.partitions and not topic.error:
                    leaders = [partition.leader for partition in topic.partitions.values()]
                    if min(leaders) >= 0:
                        waiting.discard(name)
            if not waiting:
                return
            pause.wait(LEADER_LOOK_INTERVAL_SECONDS)
        raise BrokerUnavailable(
            f"no leaders yet for {', '.join(sorted(waiting))}", LostReason.NO_LEADER
        )


def _was_created(name: str, answer: "Future[None]") -> bool:
    try:
        answer.result()
    except KafkaException as exception:
        error = error_of(exception)
        if error.code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return False
        raise BrokerUnavailable(
            f"Creating the topic {name}: {sentence_of(error)}", reason_of(error)
        ) from exception
    return True


def _differences(topic: NeededTopic, config: Mapping[str, str]) -> list[str]:
    """Say what `topics apply` would have set otherwise, beside what `findings` say."""
    differences = []
    if not topic.is_truth and config.get(CLEANUP) != topic.config[CLEANUP]:
        differences.append(
            f"{topic.name}: {CLEANUP} is {config.get(CLEANUP)}, needed {topic.config[CLEANUP]}."
        )
    needed_ms = int(topic.config.get(RETENTION, "0"))
    kept_ms = int(config.get(RETENTION, "-1"))
    if 0 <= kept_ms < needed_ms:
        differences.append(f"{topic.name}: {RETENTION} is {kept_ms}, needed at least {needed_ms}.")
    wanted = topic.config.get(COMPRESSION)
    if wanted is not None and config.get(COMPRESSION) != wanted:
        differences.append(
            f"{topic.name}: {COMPRESSION} is {config.get(COMPRESSION)}, wanted {wanted}: else "
            f"{MESSAGE_BYTES} bounds what is sent, and not what is unpacked of it: a record of "
            "2 KB may take 60 MB of memory."
        )
    wanted_bytes = int(topic.config.get(MESSAGE_BYTES, "0"))
    bytes_max = int(config.get(MESSAGE_BYTES, "0"))
    if 0 < wanted_bytes < bytes_max:
        differences.append(
            f"{topic.name}: {MESSAGE_BYTES} is {bytes_max}, wanted at most {wanted_bytes}: larger "
            "records are dead letters anyway, and only take memory."
        )
    return differences
