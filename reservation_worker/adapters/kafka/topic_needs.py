"""What the topics must be for the guarantees to hold, and how those of a cluster differ from it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaError

from reservation_worker.adapters.kafka.errors import says_no_right
from reservation_worker.adapters.kafka.kept_records import (
    CLEANUP,
    RETENTION,
    ReservationRetention,
    retention_problems,
)
from reservation_worker.adapters.kafka.topic_questions import Described, DescribedTopic
from reservation_worker.telemetry.labels import LostReason, TopicProblem

MILLISECONDS_PER_HOUR: Final = 3_600_000
OUTPUT_RETENTION_HOURS: Final = 30 * 24
"""Of the topic that is not compacted: so long may an ERP be away."""
COMPACT: Final = "compact"
COMPRESSION: Final = "compression.type"
MESSAGE_BYTES: Final = "max.message.bytes"
COMPACTED: Final = {CLEANUP: COMPACT}
UNCOMPRESSED: Final = {COMPRESSION: "uncompressed"}
"""The brokers unpack what they take, so that `max.message.bytes` bounds what a reader must hold:
60 MB of zeros are 2 KB on the wire."""
REFUSED: Final = frozenset(
    {TopicProblem.FEWER_PARTITIONS, TopicProblem.NOT_COMPACTED, TopicProblem.KEPT_TOO_LONG}
)
"""Of topics that are there: with these the guarantees do not hold."""
DESCRIBE_CONFIGS: Final = "DescribeConfigs"
RIGHTS_PAGE: Final = "deploy/kafka/acls.txt lists all of them; it goes on by itself"
Configs = Mapping[str, Mapping[str, str] | KafkaError]
"""How topics are set up, by name; an error where this client may not know."""


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
    input_message_bytes_max: int
    """Of a batch of records as it is stored, unpacked."""
    dead_letter_retention_hours: int
    reservations: ReservationRetention | None
    """How long those are kept; None: for ever."""


@dataclass(frozen=True, slots=True)
class NeededTopic:
    """A topic as it should be."""

    name: str
    partitions: int
    config: Mapping[str, str]
    rights: tuple[str, ...]
    """What the worker must be allowed to do there."""
    is_sharded: bool = False
    """It has one partition per shard: fewer would break a guarantee."""
    is_published: bool = False
    """The partition of a shard's number carries its events."""
    is_truth: bool = False
    """Shards are restored from it: what it loses is lost."""


def needed_topics(layout: TopicLayout) -> tuple[NeededTopic, ...]:
    """Return every topic that the worker reads or writes."""
    read = {
        **_kept(layout.input_retention_hours),
        **UNCOMPRESSED,
        MESSAGE_BYTES: str(layout.input_message_bytes_max),
    }
    read_back = ("WRITE", "READ", DESCRIBE_CONFIGS)
    # How long records are kept matters only if reservations are not kept for ever.
    told = () if layout.reservations is None else (DESCRIBE_CONFIGS,)
    total = layout.shards_total
    return (
        *(
            NeededTopic(name, layout.input_partitions, read, ("READ", *told))
            for name in layout.inputs
        ),
        *(
            NeededTopic(
                name, total, COMPACTED, read_back, is_sharded=True, is_published=True, is_truth=True
            )
            for name in layout.compacted_outputs
        ),
        NeededTopic(
            layout.acknowledged,
            total,
            _kept(OUTPUT_RETENTION_HOURS),
            ("WRITE", "READ"),
            is_sharded=True,
            is_published=True,
        ),
        NeededTopic(layout.shards, total, COMPACTED, ("READ",), is_sharded=True),
        NeededTopic(
            layout.dead_letter,
            1,
            _kept(layout.dead_letter_retention_hours),
            ("WRITE", *told),
        ),
    )


def _kept(hours: int) -> dict[str, str]:
    return {CLEANUP: "delete", RETENTION: str(hours * MILLISECONDS_PER_HOUR)}


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with one topic."""

    topic: str
    problem: TopicProblem
    sentence: str
    """What is so, why it matters, and what to do."""
    hides: bool = False
    """Nobody can tell whether the guarantees hold."""

    @property
    def stops(self) -> bool:
        """Whether nothing may be published or committed because of it."""
        return self.hides or self.problem in REFUSED or self.problem is TopicProblem.CREATED_ANEW

    @property
    def reason(self) -> LostReason:
        """Why Kafka cannot be used, if the finding keeps this program from its work."""
        match self.problem:
            case TopicProblem.MISSING:
                return LostReason.UNKNOWN_TOPIC
            case TopicProblem.NO_RIGHT:
                return LostReason.NO_RIGHT
            case _:
                return LostReason.NOT_AS_NEEDED


@dataclass(frozen=True, slots=True)
class State:
    """The topics of a cluster at one moment."""

    topics: Described
    configs: Configs


def findings(layout: TopicLayout, state: State) -> Iterator[Finding]:
    """Say what is not as the guarantees need it, and what only deserves to be known."""
    for needed in needed_topics(layout):
        topic = state.topics[needed.name]
        if isinstance(topic, DescribedTopic):
            yield from _of_partitions(needed, topic)
            yield from _of_rights(needed, topic)
            yield from _of_compaction(needed, state.configs.get(needed.name))
        elif says_no_right(topic):
            yield _right_is_missing(needed.name, "DESCRIBE")
        else:
            yield Finding(
                needed.name,
                TopicProblem.MISSING,
                f"The topic {needed.name} does not exist: run `reservation-worker topics apply`.",
            )
    yield from _of_retention(layout, state.configs)


def _of_partitions(needed: NeededTopic, topic: DescribedTopic) -> Iterator[Finding]:
    if not needed.is_sharded or topic.partitions == needed.partitions:
        return
    if topic.partitions < needed.partitions:
        yield Finding(
            needed.name,
            TopicProblem.FEWER_PARTITIONS,
            f"The topic {needed.name} has {topic.partitions} partitions, but there are "
            f"{needed.partitions} shards (topics.shards_total): the number of shards can never "
            "change. Set topics.shards_total to what it was when the first event was published; "
            "if the topic was created anew, create it with as many partitions.",
        )
        return
    yield Finding(
        needed.name,
        TopicProblem.MORE_PARTITIONS,
        f"The topic {needed.name} has {topic.partitions} partitions, but there are "
        f"{needed.partitions} shards: the number of shards can never change, and Kafka cannot take "
        f"a partition away. Those from {needed.partitions} on stay empty; nothing is to be done.",
    )


def _of_rights(needed: NeededTopic, topic: DescribedTopic) -> Iterator[Finding]:
    for right in needed.rights:
        if right not in topic.rights:
            yield _right_is_missing(needed.name, right)


def _right_is_missing(topic: str, right: str) -> Finding:
    return Finding(
        topic,
        TopicProblem.NO_RIGHT,
        f"This client has no right {right} on the topic {topic}: grant it ({RIGHTS_PAGE}).",
        hides=right == DESCRIBE_CONFIGS,
    )


def _of_compaction(
    needed: NeededTopic, config: Mapping[str, str] | KafkaError | None
) -> Iterator[Finding]:
    if not needed.is_truth or not isinstance(config, Mapping):
        return
    if config[CLEANUP] != COMPACT:
        yield Finding(
            needed.name,
            TopicProblem.NOT_COMPACTED,
            f"The topic {needed.name} has {CLEANUP} {config[CLEANUP]}, but a shard is restored "
            "from it: what is deleted by time is lost. Nothing is published and nothing is "
            f"committed until it is {COMPACT} alone (`kafka-configs --alter --topic {needed.name} "
            f"--add-config {CLEANUP}={COMPACT}`); then it goes on by itself.",
        )


def _of_retention(layout: TopicLayout, configs: Configs) -> Iterator[Finding]:
    if layout.reservations is None:
        return
    names = (*layout.inputs, layout.dead_letter)
    known = {name: config for name in names if isinstance(config := configs.get(name), Mapping)}
    for topic, sentence in retention_problems(layout.reservations, known):
        yield Finding(topic, TopicProblem.KEPT_TOO_LONG, sentence)
