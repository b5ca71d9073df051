"""A whole worker process."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry

from reservation_worker.adapters.http.server import ProbeAnswers
from reservation_worker.adapters.kafka.topic_watch import TopicWatch
from reservation_worker.composition.clients import (
    build_clock,
    build_latest_clock,
    kafka_config,
)
from reservation_worker.composition.kafka_secrets import KafkaSecrets
from reservation_worker.composition.loops import (
    Foundation,
    Surroundings,
    build_apply,
    build_frontier,
    build_owner,
    build_questions,
)
from reservation_worker.composition.topics import input_topics, topic_layout
from reservation_worker.ports import CallWatch
from reservation_worker.settings.model import Settings
from reservation_worker.telemetry.dependencies import Dependencies
from reservation_worker.telemetry.metrics import Metrics
from reservation_worker.worker import (
    Role,
    StopSignals,
    WakeUp,
    Worker,
    WorkerConfig,
    WorkerParts,
)


def build_metrics(settings: Settings, registry: CollectorRegistry) -> Metrics:
    """Register all metrics."""
    return Metrics(registry, input_topics=input_topics(settings))


def build_worker(
    settings: Settings,
    deployment: str,
    role: Role,
    metrics: Metrics,
    signals: StopSignals,
    about: Mapping[str, object],
    surroundings: Surroundings | None = None,
) -> Worker:
    """Return a process's worker; nothing is sent before it runs.

    Args:
        settings: all of them.
        deployment: whose state the shards are, as `read_deployment` tells.
        role: which loops it runs.
        metrics: where it counts.
        signals: what ends it.
        about: what the log is told at its start beside role and slot; no secret.
        surroundings: what is put around its parts.
    """
    surroundings = surroundings or Surroundings()
    clock = surroundings.clock(build_clock())
    watch = CallWatch(clock.monotonic_ms)
    dependencies = Dependencies(metrics, clock.monotonic_ms, settings.process.silent_after_ms)
    # Before the clients: what changes in between is then seen, and costs a restart at most.
    secrets = KafkaSecrets(settings.kafka)
    kafka = kafka_config(settings, watch)
    topics = TopicWatch(kafka, surroundings.topic_layout(topic_layout(settings)), metrics)
    foundation = Foundation(
        settings=settings,
        deployment=deployment,
        kafka=kafka,
        clock=clock,
        latest_clock=build_latest_clock(settings, clock),
        metrics=metrics,
        dependencies=dependencies,
        surroundings=surroundings,
        topics=topics,
    )
    if not role.publishes:
        metrics.forget_frontier()
    wake_up = WakeUp()
    frontier = build_frontier(foundation) if role.publishes else None
    owner = build_owner(foundation, frontier, wake_up.wait) if frontier is not None else None
    return Worker(
        WorkerConfig(
            role=role,
            drain_timeout_ms=settings.process.drain_timeout_ms,
            loop_stalled_after_ms=settings.process.loop_stalled_after_ms,
            rejoin_timeout_ms=settings.process.rejoin_timeout_ms,
            heartbeat_interval_ms=settings.process.heartbeat_interval_ms,
        ),
        WorkerParts(
            apply=build_apply(foundation, wake_up.wake) if role.applies else None,
            owner=owner,
            frontier=frontier,
            frontier_interval_ms=settings.expiry.sample_interval_ms,
            topics=topics,
            topics_interval_ms=settings.topics.look_interval_ms,
            signals=signals,
            clock=clock,
            metrics=metrics,
            dependencies=dependencies,
            watch=watch,
            changed_secrets=secrets.changed,
            questions=build_questions(foundation),
            about={"slot": kafka.worker_slot, **about},
        ),
    )


class Probe:
    """What the probes are answered with; remembers that the worker was ready once."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._started = False

    def __call__(self) -> ProbeAnswers:
        """Look at the worker."""
        health = self._worker.health()
        self._started = self._started or health.ready
        return ProbeAnswers(
            health.live, health.ready, self._started, health.problems, health.remarks
        )
