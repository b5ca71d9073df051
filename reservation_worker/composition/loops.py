"""The loops of a process, each with clients of its own."""

from collections.abc import Callable
from dataclasses import dataclass

from reservation_worker.adapters.kafka.configuration import KafkaConfig, transactional_id
from reservation_worker.adapters.kafka.input_log import InputLogParts, KafkaInputLog
from reservation_worker.adapters.kafka.outputs import KafkaOutputs
from reservation_worker.adapters.kafka.payment_offsets import KafkaPaymentOffsets
from reservation_worker.adapters.kafka.shard_group import KafkaShardGroup, ShardsTopic
from reservation_worker.adapters.kafka.topic_needs import TopicLayout
from reservation_worker.adapters.kafka.topic_watch import TopicWatch
from reservation_worker.adapters.kafka.transactions import ROLE as PUBLISH_ROLE
from reservation_worker.adapters.kafka.transactions import KafkaTransactions, TransactionsParts
from reservation_worker.apply import ApplyConfig, ApplyLoop, ApplyParts
from reservation_worker.composition.clients import build_restoring, build_store, event_source
from reservation_worker.composition.inputs import build_dead_letter, build_decoder
from reservation_worker.composition.topics import input_topics, output_topics
from reservation_worker.contracts.records import DeadLetter, OutputRecord, Record
from reservation_worker.deadlines import (
    DeadlinesConfig,
    PaymentFrontier,
    RetentionConfig,
    Schedule,
    ScheduleParts,
)
from reservation_worker.ports import Clock, InputLog, Store, Waypoint
from reservation_worker.publish import PublishConfig, Publisher, PublishParts
from reservation_worker.recovery import Recovery, RecoveryParts
from reservation_worker.settings.model import Settings
from reservation_worker.telemetry.dependencies import Dependencies
from reservation_worker.telemetry.labels import Dependency
from reservation_worker.telemetry.metrics import Metrics
from reservation_worker.worker import (
    OwnerConfig,
    OwnerLoop,
    OwnerParts,
    RegularQuestion,
)


def _same_store(store: Store[OutputRecord]) -> Store[OutputRecord]:
    return store


def _same_clock(clock: Clock) -> Clock:
    return clock


def _same_log(log: InputLog[Record, DeadLetter]) -> InputLog[Record, DeadLetter]:
    return log


def _same_layout(layout: TopicLayout) -> TopicLayout:
    return layout


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is put around the parts from outside; by default nothing is."""

    store: Callable[[Store[OutputRecord]], Store[OutputRecord]] = _same_store
    input_log: Callable[[InputLog[Record, DeadLetter]], InputLog[Record, DeadLetter]] = _same_log
    waypoint: Callable[[Waypoint], None] = lambda _waypoint: None
    clock: Callable[[Clock], Clock] = _same_clock
    topic_layout: Callable[[TopicLayout], TopicLayout] = _same_layout
    """What is asked of the topics."""


@dataclass(frozen=True, slots=True)
class Foundation:
    """What all loops of one process share."""

    settings: Settings
    deployment: str
    """Whose state the shards are."""
    kafka: KafkaConfig
    clock: Clock
    latest_clock: Clock
    """The later of that one and Redis'."""
    metrics: Metrics
    dependencies: Dependencies
    surroundings: Surroundings
    topics: TopicWatch


def _store_of(foundation: Foundation, producer: str = "") -> Store[OutputRecord]:
    """Return a store of the deployment, that stamps by the latest clock at hand."""
    store = build_store(
        foundation.settings, foundation.deployment, foundation.latest_clock, producer
    )
    return foundation.surroundings.store(store)


def build_apply(foundation: Foundation, wake_publisher: Callable[[], None]) -> ApplyLoop:
    """Return the loop that reads facts and applies them, with clients of its own."""
    settings, surroundings = foundation.settings, foundation.surroundings
    apply = settings.apply
    log = KafkaInputLog(
        foundation.kafka,
        InputLogParts(
            topics=input_topics(settings),
            dead_letter_topic=settings.topics.dead_letter,
            clock=foundation.clock,
            metrics=foundation.metrics,
            tell_problem=foundation.topics.tell_group_problem,
            refuse_unsafe=foundation.topics.refuse_unsafe,
            waypoint=surroundings.waypoint,
        ),
    )
    return ApplyLoop(
        ApplyConfig(
            shards_total=settings.topics.shards_total,
            records_per_poll_max=apply.records_per_poll_max,
            idle_poll_timeout_ms=apply.idle_poll_timeout_ms,
            busy_poll_timeout_ms=apply.busy_poll_timeout_ms,
            facts_per_step_max=apply.facts_per_step_max,
            lines_per_step_max=apply.lines_per_step_max,
            uncommitted_records_max=apply.uncommitted_records_max,
            uncommitted_bytes_max=apply.uncommitted_bytes_max,
            dead_letters_per_commit_max=apply.dead_letters_per_commit_max,
            commit_interval_ms=apply.commit_interval_ms,
            linger_ms=apply.linger_ms,
            retry_interval_ms=apply.retry_interval_ms,
        ),
        ApplyParts(
            log=surroundings.input_log(log),
            store=_store_of(foundation),
            decode=build_decoder(settings).decode,
            dead_letter=build_dead_letter(settings),
            clock=foundation.latest_clock,
            metrics=foundation.metrics,
            dependencies=foundation.dependencies,
            wake_publisher=wake_publisher,
            waypoint=surroundings.waypoint,
        ),
    )


def build_frontier(foundation: Foundation) -> PaymentFrontier:
    """Return what knows how far payments are known, with clients of its own."""
    settings = foundation.settings
    return PaymentFrontier(
        KafkaPaymentOffsets(foundation.kafka, settings.topics.payment_approved),
        foundation.surroundings.store(build_store(settings, foundation.deployment)),
        foundation.clock,
        foundation.metrics,
    )


def build_questions(foundation: Foundation) -> tuple[RegularQuestion, ...]:
    """Return what is asked all the time of Kafka and of Redis, with clients of its own."""
    settings = foundation.settings
    payments = KafkaPaymentOffsets(foundation.kafka, settings.topics.payment_approved)
    asked = {
        # Of any broker, and of the one that takes the commits of the input.
        Dependency.KAFKA: lambda: payments.committed_offsets(payments.ends().topic_id),
        Dependency.REDIS: foundation.surroundings.store(build_store(settings)).now_ms,
    }
    interval_ms = settings.process.question_interval_ms
    return tuple(
        RegularQuestion(dependency, ask, interval_ms, foundation.dependencies)
        for dependency, ask in asked.items()
    )


def build_owner(
    foundation: Foundation, frontier: PaymentFrontier, wait_for_work: Callable[[int], None]
) -> OwnerLoop:
    """Return the loop of a shards' owner, with clients of its own."""
    settings, surroundings = foundation.settings, foundation.surroundings
    publish = settings.publish
    clock, metrics, waypoint = foundation.clock, foundation.metrics, surroundings.waypoint
    producer = transactional_id(foundation.kafka, PUBLISH_ROLE)
    store = _store_of(foundation, producer)
    shards = ShardsTopic(settings.topics.shards, settings.topics.shards_total)
    group = KafkaShardGroup(foundation.kafka, shards, clock, metrics)
    outputs = output_topics(settings)
    transactions = KafkaTransactions(
        foundation.kafka,
        TransactionsParts(
            settings.topics.shards, outputs, clock, waypoint, foundation.topics.refuse_unsafe
        ),
    )
    recovery = RecoveryParts(
        store=store,
        restoring=build_restoring(settings, foundation.deployment, producer),
        group=group,
        transactions=transactions,
        outputs=KafkaOutputs(foundation.kafka, outputs, clock),
        clock=clock,
        metrics=metrics,
        waypoint=waypoint,
        event_source=event_source(settings),
    )
    publisher = Publisher(
        PublishConfig(
            entries_per_shard_max=publish.entries_per_shard_max,
            records_per_transaction_max=publish.records_per_transaction_max,
            bytes_per_transaction_max=publish.bytes_per_transaction_max,
            event_bytes_max=settings.redis.event_bytes_max,
        ),
        PublishParts(store, transactions, clock, metrics, waypoint),
    )
    schedule = _schedule(foundation, frontier, store)
    return OwnerLoop(
        _owner_config(settings),
        OwnerParts(
            group=group,
            recovery=Recovery(settings.topics.shards_total, recovery),
            publisher=publisher,
            schedule=schedule,
            clock=clock,
            metrics=metrics,
            dependencies=foundation.dependencies,
            wait_for_work=wait_for_work,
            close_producer=transactions.close,
            unreachable_shards=foundation.topics.unreachable_shards,
        ),
    )


def _owner_config(settings: Settings) -> OwnerConfig:
    publish = settings.publish
    return OwnerConfig(
        scan_interval_ms=settings.expiry.scan_interval_ms,
        retention_scan_interval_ms=settings.retention.scan_interval_ms,
        poll_interval_ms=publish.poll_interval_ms,
        retry_interval_ms=publish.retry_interval_ms,
        retry_held_interval_ms=publish.retry_held_interval_ms,
        fenced_in_a_row_max=publish.fenced_in_a_row_max,
    )


def _schedule(
    foundation: Foundation, frontier: PaymentFrontier, store: Store[OutputRecord]
) -> Schedule:
    settings = foundation.settings
    return Schedule(
        deadlines_config(settings),
        ScheduleParts(
            store,
            lambda: frontier.reached_ms,
            foundation.clock,
            foundation.metrics,
            foundation.surroundings.waypoint,
            retention_config(settings),
        ),
    )


def deadlines_config(settings: Settings) -> DeadlinesConfig:
    """Return when unpaid reservations are given back."""
    expiry = settings.expiry
    return DeadlinesConfig(
        grace_ms=expiry.grace_seconds * 1000,
        sample_interval_ms=expiry.sample_interval_ms,
        facts_per_look_max=expiry.facts_per_look_max,
    )


def retention_config(settings: Settings) -> RetentionConfig | None:
    """Return how long reservations are kept; None: for ever."""
    retention = settings.retention
    if not retention.enabled:
        return None
    return RetentionConfig(
        over_ms=retention.over_seconds * 1000,
        awaiting_ms=retention.awaiting_seconds * 1000,
        facts_per_look_max=retention.facts_per_look_max,
    )
