"""The topics that the worker needs, and how those of a cluster differ from them."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Event
from typing import Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from reservation_worker.adapters.kafka.client_logs import forward_client_logs
from reservation_worker.adapters.kafka.configuration import KafkaConfig, connection_options
from reservation_worker.adapters.kafka.errors import error_of
from reservation_worker.adapters.kafka.kept_records import (
    CLEANUP,
    RETENTION,
    ReservationRetention,
    retention_problems,
)
from reservation_worker.ports import BrokerUnavailable, FatallyBroken

ROLE: Final = "topics"
MILLISECONDS_PER_HOUR: Final = 3_600_000
BROKERS_DEFAULT: Final = -1
LEADER_LOOKS_MAX: Final = 200
LEADER_LOOK_INTERVAL_SECONDS: Final = 0.05
OUTPUT_RETENTION_HOURS: Final = 30 * 24
"""Of the topic that is not compacted: so long may an ERP be away."""


@dataclass(frozen=True, slots=True)
class TopicLayout:
    """Names and numbers of all topics."""

    inputs: tuple[str, ...]
    compacted_outputs: tuple[str, ...]
    """``reservation-changed`` and ``stock-changed``."""
    acknowledged: str
    dead_letter: str
    shards: str
    shards_total: int
    input_partitions: int
    replication_factor: int | None
    """None: the brokers' default."""
    input_retention_hours: int
    dead_letter_retention_hours: int
    reservations: ReservationRetention | None
    """How long those are kept; None: for ever."""


@dataclass(frozen=True, slots=True)
class NeededTopic:
    """A topic as it should be."""

    name: str
    partitions: int
    config: Mapping[str, str]
    is_sharded: bool = False
    """It has one partition per shard: another number would break a guarantee."""


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


def needed_topics(layout: TopicLayout) -> tuple[NeededTopic, ...]:
    """Return every topic that the worker reads or writes."""
    compacted = {CLEANUP: "compact"}
    sharded = {
        **dict.fromkeys((*layout.compacted_outputs, layout.shards), compacted),
        layout.acknowledged: _kept(OUTPUT_RETENTION_HOURS),
    }
    read = _kept(layout.input_retention_hours)
    return (
        *(NeededTopic(name, layout.input_partitions, read) for name in layout.inputs),
        *(
            NeededTopic(name, layout.shards_total, config, is_sharded=True)
            for name, config in sharded.items()
        ),
        NeededTopic(layout.dead_letter, 1, _kept(layout.dead_letter_retention_hours)),
    )


class TopicAdmin:
    """Asks a cluster about its topics, and creates those that are missing."""

    def __init__(self, config: KafkaConfig) -> None:
        self._timeout_seconds = config.request_timeout_ms / 1000
        self._admin = AdminClient({**connection_options(config, ROLE), **forward_client_logs(ROLE)})

    def cluster_id(self) -> str:
        """Return the name that the cluster gave itself when it was made.

        Raises:
            BrokerUnavailable: Kafka does not answer.
        """
        try:
            metadata = self._admin.list_topics(timeout=self._timeout_seconds)
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
        counts = self.partition_counts()
        needed = needed_topics(layout)
        existing = [topic for topic in needed if topic.name in counts]
        configs = self._configs([topic.name for topic in existing])
        differences = [
            difference
            for topic in existing
            for difference in _differences(topic, counts[topic.name], configs[topic.name])
        ]
        missing = tuple(topic for topic in needed if topic.name not in counts)
        return TopicPlan(missing, tuple(differences), layout.replication_factor)

    def apply(self, plan: TopicPlan) -> tuple[str, ...]:
        """Create the missing topics, and return their names; what stands is left as it is.

        Returns when all partitions of the new ones have leaders.

        Raises:
            BrokerUnavailable: Kafka does not answer, or refused one; calling again is safe.
        """
        if not plan.create:
            return ()
        answers = self._admin.create_topics(
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
        created = tuple(name for name, answer in answers.items() if _was_created(answer))
        self._wait_for_leaders(topic.name for topic in plan.create)
        return created

    def check(self, layout: TopicLayout) -> None:
        """Refuse to run on topics that would break a guarantee.

        Raises:
            FatallyBroken: a topic is missing, the numbers of partitions do not fit, or records are
                kept as long as reservations.
            BrokerUnavailable: Kafka does not answer.
        """
        counts = self.partition_counts()
        problems = [
            f"The topic {topic.name} does not exist: run `reservation-worker topics apply`."
            if topic.name not in counts
            else f"The topic {topic.name} has {counts[topic.name]} partitions, but "
            f"{topic.partitions} are configured: the number of shards can never change."
            for topic in needed_topics(layout)
            if topic.name not in counts
            or (topic.is_sharded and counts[topic.name] != topic.partitions)
        ]
        if not problems and layout.reservations is not None:
            configs = self._configs((*layout.inputs, layout.dead_letter))
            problems += retention_problems(layout.reservations, configs)
        if problems:
            raise FatallyBroken(" ".join(problems))

    def partition_counts(self) -> dict[str, int]:
        """Return the number of partitions of every topic of the cluster.

        Raises:
            BrokerUnavailable: Kafka does not answer.
        """
        try:
            metadata = self._admin.list_topics(timeout=self._timeout_seconds)
        except KafkaException as exception:
            raise BrokerUnavailable(error_of(exception).str()) from exception
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
            metadata = self._admin.list_topics(timeout=self._timeout_seconds)
            for name in tuple(waiting):
                topic = metadata.topics.get(name)
                if topic and topic.partitions and not topic.error:
                    leaders = [partition.leader for partition in topic.partitions.values()]
                    if min(leaders) >= 0:
                        waiting.discard(name)
            if not waiting:
                return
            pause.wait(LEADER_LOOK_INTERVAL_SECONDS)
        raise BrokerUnavailable(f"no leaders yet for {', '.join(sorted(waiting))}")

    def _configs(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        if not names:
            return {}
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        answers = self._admin.describe_configs(resources, request_timeout=self._timeout_seconds)
        try:
            return {
                resource.name: {name: str(entry.value) for name, entry in answer.result().items()}
                for resource, answer in answers.items()
            }
        except KafkaException as exception:
            error = error_of(exception)
            if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                raise FatallyBroken(
                    "Kafka does not tell how long topics keep records: the worker needs "
                    "DescribeConfigs on those that it reads, and on the dead letters."
                ) from exception
            raise BrokerUnavailable(error.str()) from exception


def _kept(hours: int) -> dict[str, str]:
    return {CLEANUP: "delete", RETENTION: str(hours * MILLISECONDS_PER_HOUR)}


def _was_created(answer: "Future[None]") -> bool:
    try:
        answer.result()
    except KafkaException as exception:
        error = error_of(exception)
        if error.code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return False
        raise BrokerUnavailable(error.str()) from exception
    return True


def _differences(topic: NeededTopic, partitions: int, config: Mapping[str, str]) -> list[str]:
    differences = []
    if topic.is_sharded and partitions != topic.partitions:
        differences.append(
            f"{topic.name}: {partitions} partitions, needed {topic.partitions}: the number of "
            "shards can never change."
        )
    if config.get(CLEANUP) != topic.config[CLEANUP]:
        differences.append(
            f"{topic.name}: {CLEANUP} is {config.get(CLEANUP)}, needed {topic.config[CLEANUP]}."
        )
    needed_ms = int(topic.config.get(RETENTION, "0"))
    kept_ms = int(config.get(RETENTION, "-1"))
    if 0 <= kept_ms < needed_ms:
        differences.append(f"{topic.name}: {RETENTION} is {kept_ms}, needed at least {needed_ms}.")
    return differences
