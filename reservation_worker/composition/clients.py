"""Clients and clocks; nothing else constructs any."""

import time
from collections.abc import Callable
from dataclasses import replace
from secrets import token_hex
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.connection import parse_url
from redis.retry import Retry
from redis.sentinel import Sentinel

from reservation_worker.adapters.kafka.configuration import (
    KafkaConfig,
    Rebalancing,
)
from reservation_worker.adapters.kafka.sender import EventSender
from reservation_worker.adapters.kafka.token_file import token_callback
from reservation_worker.adapters.kafka.topics import TopicAdmin
from reservation_worker.adapters.redis.configuration import NOBODY, StoreConfig
from reservation_worker.adapters.redis.errors import CLIENT_ERRORS, translated
from reservation_worker.adapters.redis.restoring import RedisRestoring
from reservation_worker.adapters.redis.store import RedisStore
from reservation_worker.composition.clocks import LatestClock
from reservation_worker.composition.credentials import redis_credentials, sentinel_credentials
from reservation_worker.contracts.written import EVENT_SOURCE
from reservation_worker.ports import UNWATCHED, CallWatch, Clock
from reservation_worker.settings.client_options import (
    kafka_options,
    redis_address,
    redis_tls_options,
    secrets_among,
)
from reservation_worker.settings.model import Settings
from reservation_worker.settings.secret_files import read_secret
from reservation_worker.settings.sections import RedisSettings

SLOT_BYTES = 4
"""Of a random worker slot: enough that two processes of a group never share one."""


class SystemClock:
    """The clocks of this machine."""

    def now_ms(self) -> int:
        """Return milliseconds since the epoch, UTC."""
        return time.time_ns() // 1_000_000  # noqa: TID251 - this is where the clock is built

    def monotonic_ms(self) -> int:
        """Return milliseconds since some moment; never goes backwards."""
        return time.monotonic_ns() // 1_000_000


def build_clock() -> Clock:
    """Return the clocks of this machine."""
    return SystemClock()


def kafka_config(settings: Settings, watch: CallWatch = UNWATCHED) -> KafkaConfig:
    """Return how to reach Kafka, and as whom."""
    kafka = settings.kafka
    token_file, options = kafka.oauth_token_file, kafka_options(kafka)
    return KafkaConfig(
        bootstrap_servers=kafka.bootstrap_servers,
        group_id=kafka.group_id,
        worker_slot=settings.worker_slot or token_hex(SLOT_BYTES),
        rebalancing=Rebalancing(kafka.rebalancing),
        session_timeout_ms=kafka.session_timeout_ms,
        max_poll_interval_ms=kafka.max_poll_interval_ms,
        transaction_timeout_ms=kafka.transaction_timeout_ms,
        metadata_refresh_interval_ms=kafka.metadata_refresh_interval_ms,
        request_timeout_ms=kafka.request_timeout_ms,
        watch=watch,
        extra=options,
        secrets=secrets_among(options),
        token=None
        if token_file is None
        else token_callback(lambda: read_secret(token_file), build_clock().now_ms),
    )


def read_deployment(settings: Settings) -> str:
    """Ask Kafka which cluster it is: with the group, that is whose state the shards are.

    Raises:
        BrokerUnavailable: Kafka does not answer.
    """
    return f"{build_topic_admin(settings).cluster_id()}/{settings.kafka.group_id}"


def event_source(settings: Settings) -> str:
    """Return what published events name as their source."""
    return settings.kafka.event_source or f"{EVENT_SOURCE}/{settings.kafka.group_id}"


def build_topic_admin(settings: Settings) -> TopicAdmin:
    """Return what asks for topics and creates them."""
    return TopicAdmin(kafka_config(settings))


def build_event_sender(
    settings: Settings, on_delivered: Callable[[str, int, int], None]
) -> EventSender:
    """Return what sends events; topic, partition and offset of each are told."""
    return EventSender(kafka_config(settings), on_delivered)


def build_redis_client(settings: Settings) -> Redis | RedisCluster:
    """Return a client that never retries by itself: the store does, and knows what is harmless.

    Raises:
        StoreUnavailable: a cluster does not say who has what.
    """
    redis = settings.redis
    credentials = redis_credentials(redis)
    options: dict[str, Any] = {
        **_timeouts(redis),
        "retry": Retry(NoBackoff(), 0),
        "credential_provider": credentials,
    }
    url = redis_address(redis)
    if redis.topology == "sentinel":
        return _primary_of_sentinels(redis, url, options)
    if url.startswith("rediss://"):
        options |= redis_tls_options(redis)
    if redis.topology == "single":
        return Redis.from_url(url, **options)
    try:
        cluster: RedisCluster = RedisCluster.from_url(url, **options)
    except CLIENT_ERRORS as error:
        raise translated(error, "CLUSTER SLOTS", credentials) from None
    return cluster


def _timeouts(redis: RedisSettings) -> dict[str, Any]:
    return {
        "socket_timeout": redis.timeout_ms / 1000,
        "socket_connect_timeout": redis.timeout_ms / 1000,
    }


def _primary_of_sentinels(redis: RedisSettings, url: str, options: dict[str, Any]) -> Redis:
    """Return a client that asks the Sentinels anew for each connection that it makes."""
    addresses = [address.rpartition(":") for address in redis.sentinels.split(",")]
    asking = {
        **options,
        "credential_provider": sentinel_credentials(redis),
        "ssl": redis.sentinel_tls,
        **(redis_tls_options(redis) if redis.sentinel_tls else {}),
    }
    asked = Sentinel(  # type: ignore[no-untyped-call]  # shipped so
        [(host, int(port)) for host, _, port in addresses], sentinel_kwargs=asking
    )
    of_url = parse_url(url)  # type: ignore[no-untyped-call]  # shipped so
    for name in ("host", "port", "connection_class"):
        of_url.pop(name, None)
    is_tls = url.startswith("rediss://")
    tls = redis_tls_options(redis) if is_tls else {}
    primary: Redis = asked.master_for(  # type: ignore[no-untyped-call]  # shipped so
        redis.sentinel_primary, **of_url, **options, **tls, ssl=is_tls
    )
    return primary


def store_config(settings: Settings, deployment: str = NOBODY, producer: str = "") -> StoreConfig:
    """Return the bounds of the store, and whose it is; nobody's may only be shown."""
    redis = settings.redis
    return StoreConfig(
        deployment=deployment,
        key_prefix=redis.key_prefix,
        producer=producer,
        event_source=event_source(settings),
        persistence_required=redis.persistence_required,
        facts_per_step_max=max(
            settings.apply.facts_per_step_max,
            settings.expiry.facts_per_look_max,
            settings.retention.facts_per_look_max,
        ),
        lines_per_step_max=settings.apply.lines_per_step_max,
        event_bytes_max=redis.event_bytes_max,
        step_bytes_max=redis.step_bytes_max,
        outbox_steps_max=redis.outbox_steps_max,
        outbox_read_bytes_max=redis.outbox_read_bytes_max,
        attempts_max=redis.attempts_max,
    )


def build_store(
    settings: Settings, deployment: str = NOBODY, clock: Clock | None = None, producer: str = ""
) -> RedisStore:
    """Return the store; each thread has one of its own. Nobody's may only be shown.

    What it applies, it stamps by the clock.
    """
    config = store_config(settings, deployment, producer)
    return RedisStore(build_redis_client(settings), config, clock or build_clock())


def build_latest_clock(settings: Settings, clock: Clock) -> Clock:
    """Return the later of a clock and Redis', with a client of its own for all threads."""
    config = replace(store_config(settings, NOBODY), attempts_max=1)
    return LatestClock(clock, RedisStore(build_redis_client(settings), config, clock).now_ms)


def build_restoring(settings: Settings, deployment: str, producer: str) -> RedisRestoring:
    """Return what writes shards anew."""
    config = store_config(settings, deployment, producer)
    return RedisRestoring(build_redis_client(settings), config)
