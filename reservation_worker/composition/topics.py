"""Names and numbers of the topics in use."""

from reservation_worker.adapters.kafka.kept_records import ReservationRetention
from reservation_worker.adapters.kafka.topic_needs import TopicLayout
from reservation_worker.contracts.inputs import FactKind
from reservation_worker.contracts.records import EVENT_TOPICS, OutputTopic
from reservation_worker.settings.model import Settings
from reservation_worker.settings.relations import RECORD_OVERHEAD_BYTES


def topic_of(settings: Settings, kind: FactKind) -> str:
    """Return the name in use of an input topic."""
    return str(getattr(settings.topics, kind.name.lower()))


def input_topics(settings: Settings) -> tuple[str, ...]:
    """Return the names in use of all input topics."""
    return tuple(topic_of(settings, kind) for kind in FactKind)


def output_topics(settings: Settings) -> dict[OutputTopic, str]:
    """Return the names in use of the topics written."""
    return {topic: str(getattr(settings.topics, topic.name.lower())) for topic in OutputTopic}


def event_topics(settings: Settings) -> dict[OutputTopic, str]:
    """Return the names in use of the topics that carry events, and no dead letters."""
    return {topic: output_topics(settings)[topic] for topic in EVENT_TOPICS}


def topic_layout(settings: Settings) -> TopicLayout:
    """Return names and numbers of all topics."""
    topics = settings.topics
    return TopicLayout(
        inputs=input_topics(settings),
        compacted_outputs=(topics.reservation_changed, topics.stock_changed),
        acknowledged=topics.acknowledged_reservation,
        dead_letter=topics.dead_letter,
        shards=topics.shards,
        shards_total=topics.shards_total,
        input_partitions=topics.input_partitions,
        replication_factor=topics.replication_factor,
        input_retention_hours=topics.input_retention_hours,
        input_message_bytes_max=settings.input.record_bytes_max + RECORD_OVERHEAD_BYTES,
        dead_letter_retention_hours=topics.dead_letter_retention_hours,
        reservations=_reservation_retention(settings),
    )


def _reservation_retention(settings: Settings) -> ReservationRetention | None:
    retention = settings.retention
    if not retention.enabled:
        return None
    return ReservationRetention(retention.over_seconds * 1_000, retention.awaiting_seconds * 1_000)
