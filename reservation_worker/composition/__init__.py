"""Builds the object graph from settings; the only package that constructs clients and clocks."""

from reservation_worker.composition.clients import (
    SystemClock,
    build_clock,
    build_event_sender,
    build_redis_client,
    build_restoring,
    build_store,
    build_topic_admin,
    event_source,
    kafka_config,
    read_deployment,
    store_config,
)
from reservation_worker.composition.inputs import build_dead_letter, build_decoder
from reservation_worker.composition.loops import (
    Foundation,
    Surroundings,
    build_apply,
    build_frontier,
    build_owner,
    deadlines_config,
    retention_config,
)
from reservation_worker.composition.process import Probe, build_metrics, build_worker
from reservation_worker.composition.topics import (
    event_topics,
    input_topics,
    output_topics,
    topic_layout,
    topic_of,
)
from reservation_worker.composition.verification import open_verification

__all__ = [
    "Foundation",
    "Probe",
    "Surroundings",
    "SystemClock",
    "build_apply",
    "build_clock",
    "build_dead_letter",
    "build_decoder",
    "build_event_sender",
    "build_frontier",
    "build_metrics",
    "build_owner",
    "build_redis_client",
    "build_restoring",
    "build_store",
    "build_topic_admin",
    "build_worker",
    "deadlines_config",
    "event_source",
    "event_topics",
    "input_topics",
    "kafka_config",
    "open_verification",
    "output_topics",
    "read_deployment",
    "retention_config",
    "store_config",
    "topic_layout",
    "topic_of",
]
