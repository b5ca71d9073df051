"""The loops of one worker, put together from any clients and turned by the test itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from reservation_worker.apply import ApplyConfig, ApplyLoop, ApplyParts
from reservation_worker.contracts.dead_letters import DeadLetterLimits, dead_letter
from reservation_worker.contracts.decode import Decoder, DecoderConfig
from reservation_worker.contracts.inputs import FactKind
from reservation_worker.contracts.records import (
    DeadLetter,
    OutputRecord,
    PublishedRecord,
    Record,
)
from reservation_worker.deadlines import (
    DeadlinesConfig,
    PaymentFrontier,
    RetentionConfig,
    Schedule,
    ScheduleParts,
)
from reservation_worker.ports import (
    Clock,
    InputLog,
    Outputs,
    PaymentOffsets,
    Restoring,
    ShardGroup,
    Store,
    Transactions,
    Waypoint,
)
from reservation_worker.publish import PublishConfig, Publisher, PublishParts
from reservation_worker.recovery import RebuildConfig, Recovery, RecoveryParts
from reservation_worker.telemetry.dependencies import Dependencies
from reservation_worker.telemetry.labels import INPUT_TOPICS, OUTPUT_TOPICS
from reservation_worker.telemetry.metrics import Metrics
from reservation_worker.worker import OwnerConfig, OwnerLoop, OwnerParts


def no_waypoint(_waypoint: Waypoint) -> None:
    """Go on."""


@dataclass(frozen=True, slots=True)
class Clients:
    """What loops need of Kafka and of the store."""

    log: InputLog[Record, DeadLetter]
    group: ShardGroup
    transactions: Transactions[OutputRecord]
    outputs: Outputs[PublishedRecord]
    payments: PaymentOffsets
    store: Store[OutputRecord]
    restoring: Restoring[PublishedRecord]


@dataclass(frozen=True, slots=True)
class Setting:
    """What differs from test to test."""

    shards_total: int
    clock: Clock
    kinds: Mapping[str, FactKind]
    """Of the input topics, by name."""
    apply: ApplyConfig
    owner: OwnerConfig
    deadlines: DeadlinesConfig
    publish: PublishConfig
    rebuild: RebuildConfig
    retention: RetentionConfig | None = None
    waypoint: Callable[[Waypoint], None] = no_waypoint


@dataclass(frozen=True, slots=True)
class Loops:
    """The loops of one worker."""

    apply: ApplyLoop
    owner: OwnerLoop
    frontier: PaymentFrontier
    dependencies: Dependencies
    metrics: Metrics


def build_loops(clients: Clients, setting: Setting) -> Loops:
    """Put loops together as a process does; threads and waiting are the test's."""
    metrics = Metrics(
        CollectorRegistry(),
        input_topics=tuple(setting.kinds) or INPUT_TOPICS,
        output_topics=OUTPUT_TOPICS,
    )
    dependencies = Dependencies(metrics, setting.clock.monotonic_ms, silent_after_ms=5_000)
    frontier = PaymentFrontier(clients.payments, clients.store, setting.clock, metrics)
    return Loops(
        apply=_apply_loop(clients, setting, metrics, dependencies),
        owner=_owner_loop(clients, setting, metrics, frontier, dependencies),
        frontier=frontier,
        dependencies=dependencies,
        metrics=metrics,
    )


def _apply_loop(
    clients: Clients, setting: Setting, metrics: Metrics, dependencies: Dependencies
) -> ApplyLoop:
    limits = DeadLetterLimits("group", 1_000_000)
    return ApplyLoop(
        setting.apply,
        ApplyParts(
            log=clients.log,
            store=clients.store,
            decode=Decoder(DecoderConfig(setting.kinds)).decode,
            dead_letter=lambda record, rejection, failed_at_ms: dead_letter(
                record, rejection, limits, failed_at_ms
            ),
            clock=setting.clock,
            metrics=metrics,
            dependencies=dependencies,
            waypoint=setting.waypoint,
        ),
    )


def _owner_loop(
    clients: Clients,
    setting: Setting,
    metrics: Metrics,
    frontier: PaymentFrontier,
    dependencies: Dependencies,
) -> OwnerLoop:
    recovery = Recovery(
        setting.shards_total,
        RecoveryParts(
            store=clients.store,
            restoring=clients.restoring,
            group=clients.group,
            transactions=clients.transactions,
            outputs=clients.outputs,
            clock=setting.clock,
            metrics=metrics,
            waypoint=setting.waypoint,
        ),
        setting.rebuild,
    )
    publisher = Publisher(
        setting.publish,
        PublishParts(clients.store, clients.transactions, setting.clock, metrics, setting.waypoint),
    )
    schedule = Schedule(
        setting.deadlines,
        ScheduleParts(
            store=clients.store,
            frontier_ms=lambda: frontier.reached_ms,
            clock=setting.clock,
            metrics=metrics,
            waypoint=setting.waypoint,
            retention=setting.retention,
        ),
    )
    return OwnerLoop(
        setting.owner,
        OwnerParts(
            group=clients.group,
            recovery=recovery,
            publisher=publisher,
            schedule=schedule,
            clock=setting.clock,
            metrics=metrics,
            dependencies=dependencies,
            wait_for_work=lambda _timeout_ms: None,
            close_producer=clients.transactions.close,
        ),
    )
