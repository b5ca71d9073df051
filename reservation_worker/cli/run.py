"""``run``: the worker."""

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from reservation_worker.cli.options import ConfigFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reservation_worker.adapters.redis.store import RedisStore
    from reservation_worker.composition import Surroundings
    from reservation_worker.ports import ShardState
    from reservation_worker.settings.model import Settings
    from reservation_worker.worker import StopSignals


class RunRole(StrEnum):
    """What a process does."""

    APPLY = "apply"
    PUBLISH = "publish"
    ALL = "all"


def run(
    role: Annotated[RunRole, typer.Option(help="What this process does.")] = RunRole.ALL,
    config_file: ConfigFile = None,
) -> None:
    """Run the worker until SIGTERM or SIGINT; a second signal ends it at once."""
    from reservation_worker.cli.options import read_settings
    from reservation_worker.worker import StopSignals

    settings = read_settings(config_file)
    log_to_stderr(settings)
    check_dependencies(settings)
    signals = StopSignals()
    signals.install()
    leave(run_worker(settings, role, signals))


def log_to_stderr(settings: "Settings") -> None:
    """Write log lines to stderr: for a person at a terminal, for machines elsewhere."""
    import logging

    from reservation_worker.ports import (
        CommitFateUnknown,
        FatallyBroken,
        OwnershipLost,
        Unavailable,
    )
    from reservation_worker.telemetry.logs import configure_logging

    configure_logging(
        sys.stderr,
        for_people=sys.stderr.isatty(),
        speaking=(Unavailable, OwnershipLost, CommitFateUnknown, FatallyBroken),
        level=logging.getLevelNamesMapping()[settings.process.log_level.upper()],
    )


def check_dependencies(settings: "Settings") -> None:
    """Refuse to start on what cannot work.

    Raises:
        Unreachable: Kafka or Redis does not answer.
        CheckFailed: topics are missing or have the wrong number of partitions; Redis is not what
            the guarantees need, or has the state of another deployment.
    """
    from reservation_worker.cli.dependencies import reaching_kafka, reaching_redis
    from reservation_worker.cli.failures import CheckFailed
    from reservation_worker.composition import (
        build_store,
        build_topic_admin,
        read_deployment,
        topic_layout,
    )
    from reservation_worker.ports import FatallyBroken

    try:
        with reaching_kafka(settings):
            build_topic_admin(settings).check(topic_layout(settings))
            deployment = read_deployment(settings)
    except FatallyBroken as error:
        raise CheckFailed(str(error)) from None
    with reaching_redis(settings):
        store = build_store(settings, deployment)
        shortcomings = store.shortcomings()
        if shortcomings:
            raise CheckFailed("Redis must not be worked on as it is:", shortcomings)
        states = _states(store, settings.topics.shards_total)
    refuse_foreign(states)


def _states(store: "RedisStore", shards_total: int) -> list["ShardState"]:
    """Return what Redis says of each shard, but of those that are on their way to another server.

    They are looked at again when they are taken over, and hold up nobody until then.
    """
    from contextlib import suppress

    from reservation_worker.ports import ShardMoves

    states = []
    for shard in range(shards_total):
        with suppress(ShardMoves):
            states.append(store.inspect(shard))
    return states


def refuse_foreign(states: "Sequence[ShardState]") -> None:
    """Refuse a Redis on which every shard that is there is another deployment's.

    Where only some are, the others go on, and each of those is held and said.

    Raises:
        CheckFailed: there is nothing else.
    """
    from reservation_worker.cli.failures import CheckFailed
    from reservation_worker.ports.foreign import foreign_state

    foreign = {state.foreign for state in states if state.foreign}
    if foreign and not any(state.epoch for state in states):
        raise CheckFailed(
            "This Redis belongs to somebody else:", tuple(map(foreign_state, sorted(foreign)))
        )


def run_worker(
    settings: "Settings",
    role: RunRole,
    signals: "StopSignals",
    surroundings: "Surroundings | None" = None,
) -> int:
    """Run a worker with its probes to the end, on servers that answered; return the exit code.

    Raises:
        UsageFailed: the HTTP port cannot be had.
    """
    import structlog
    from prometheus_client import CollectorRegistry

    from reservation_worker.adapters.http.server import ProbeServer
    from reservation_worker.cli.dependencies import reaching_kafka
    from reservation_worker.cli.failures import UsageFailed
    from reservation_worker.cli.release import release_version
    from reservation_worker.composition import (
        Probe,
        build_metrics,
        build_worker,
        read_deployment,
    )
    from reservation_worker.settings.shown import settings_that_differ
    from reservation_worker.telemetry.log_events import HTTP_SERVER_STARTED
    from reservation_worker.worker import Role

    registry = CollectorRegistry()
    metrics = build_metrics(settings, registry)
    metrics.build.info({"version": release_version()})
    about = {"version": release_version(), "settings": settings_that_differ(settings)}
    with reaching_kafka(settings):
        deployment = read_deployment(settings)
    worker = build_worker(
        settings, deployment, Role(role.value), metrics, signals, about, surroundings
    )
    http = settings.http
    try:
        server = ProbeServer(http.host, http.port, Probe(worker), registry)
    except OSError as error:
        raise UsageFailed(
            f"HTTP cannot listen on {http.host}:{http.port}: {error.strerror}. "
            "RESERVATION_HTTP__PORT names another port."
        ) from None
    with server:
        structlog.get_logger().info(HTTP_SERVER_STARTED, host=http.host, port=server.port)
        return worker.run()


def leave(code: int) -> None:
    """Exit with a code, even while a thread is still inside a client."""
    import os

    if code != 0:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
