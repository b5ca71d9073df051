"""What the clients are built from, and the options that belong to the guarantees."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, assert_never

from reservation_worker.adapters.kafka.token_file import Token
from reservation_worker.ports import UNWATCHED, CallWatch

TRANSACTION_TIMEOUT_MS_MAX: Final = 15_000
"""So long may the open transaction of a lost owner hold back its successor."""
METADATA_REFRESH_INTERVAL_MS: Final = 30_000
"""The client's own five minutes are how long a new partition stays unread."""
QUEUED_KILOBYTES_MAX: Final = 32_768
"""What a reader fetches ahead, unpacked."""
FETCH_BYTES_MAX: Final = 16 * 1024 * 1024
"""Of one answer, as it is stored: beside what is queued, a reader holds one for each broker. How
much it is unpacked only the topic bounds (`topic_needs.UNCOMPRESSED`)."""
HEARTBEAT_MS_MAX: Final = 1_000
"""So often does a member hear at the latest that the group is shared out anew."""
SHARDS_GROUP_SUFFIX: Final = "-shards"

OptionValue = str | int | float | bool | Callable[..., object]


class Rebalancing(StrEnum):
    """How the members of a group share partitions."""

    EAGER = "eager"
    COOPERATIVE = "cooperative"
    CONSUMER = "consumer"
    """KIP-848, ``group.protocol=consumer``: brokers of 4.0 or newer."""


@dataclass(frozen=True, slots=True)
class KafkaConfig:
    """How to reach Kafka, and as whom."""

    bootstrap_servers: str
    group_id: str
    """Of the apply loop; the owners of shards form the group with ``-shards`` behind it."""
    worker_slot: str
    """Names this process among those of the group; random per start where none is set."""
    rebalancing: Rebalancing = Rebalancing.COOPERATIVE
    session_timeout_ms: int = 6_000
    """Has no effect with `Rebalancing.CONSUMER`: there the brokers' setting counts."""
    max_poll_interval_ms: int = 300_000
    transaction_timeout_ms: int = TRANSACTION_TIMEOUT_MS_MAX
    metadata_refresh_interval_ms: int = METADATA_REFRESH_INTERVAL_MS
    request_timeout_ms: int = 10_000
    """Of questions to the brokers (offsets, metadata)."""
    extra: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """Client options passed on (TLS, SASL, tuning), except those that the guarantees own."""
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    """Those among the values of the options: the client library's texts are shown without them."""
    watch: CallWatch = field(default=UNWATCHED, repr=False, compare=False)
    """What every blocking call of the clients is told to."""
    token: Callable[[str], Token] | None = field(default=None, repr=False, compare=False)
    """What reads the token that the brokers are shown; None: nothing, or the library itself."""

    def __post_init__(self) -> None:
        """Refuse what would break a guarantee, whoever built this."""
        assert 0 < self.transaction_timeout_ms <= TRANSACTION_TIMEOUT_MS_MAX
        problems = refused_options(self.extra)
        assert not problems, problems


_OF_A_SETTING: Final = "it has a setting of its own"
_OWNED_OPTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "bootstrap.servers": _OF_A_SETTING,
        "metadata.broker.list": _OF_A_SETTING,
        "group.id": _OF_A_SETTING,
        "group.protocol": _OF_A_SETTING,
        "partition.assignment.strategy": _OF_A_SETTING,
        "session.timeout.ms": _OF_A_SETTING,
        "max.poll.interval.ms": _OF_A_SETTING,
        "transaction.timeout.ms": _OF_A_SETTING,
        "transactional.id": "it is made of group, role and worker slot, so that fencing works",
        "group.instance.id": "it is the worker slot, so that a worker that comes back by its name "
        "does not wait for its own ghost",
        "heartbeat.interval.ms": "it follows from the session timeout",
        "enable.auto.commit": "an offset is committed only when what it caused is published",
        "auto.commit.enable": "an offset is committed only when what it caused is published",
        "enable.auto.offset.store": "an offset is committed only when what it caused is published",
        "auto.offset.reset": "a lost offset must be noticed, never skipped over",
        "isolation.level": "what an aborted transaction wrote never happened",
        "check.crcs": "a damaged record must be noticed",
        "allow.auto.create.topics": "topics are created with the partitions and the retention "
        "that the guarantees need",
        "enable.partition.eof": "deadlines wait until the end of the payment topic is read",
        "enable.idempotence": "each change is published once and in order",
        "acks": "a change counts as published when no broker's loss can undo it",
        "request.required.acks": "a change counts as published when no broker's loss can undo it",
        "delivery.timeout.ms": "it must not exceed the transaction's",
        "message.timeout.ms": "it must not exceed the transaction's",
        "max.in.flight.requests.per.connection": "more than five would break the order",
        "max.in.flight": "more than five would break the order",
        "enable.gapless.guarantee": "transactions already are all or nothing",
        "topic.metadata.refresh.interval.ms": "a new partition of the payment topic stops all "
        "expiry until it is read",
    }
)


def refused_options(extra: Mapping[str, str]) -> tuple[str, ...]:
    """Return a sentence for each option that may not be passed on to the clients."""
    return tuple(
        f"kafka.extra must not set {name}: {_OWNED_OPTIONS[name]}."
        for name in sorted(extra)
        if name in _OWNED_OPTIONS
    )


def connection_options(config: KafkaConfig, role: str) -> dict[str, OptionValue]:
    """Return what every client needs; a user's options come first, ours win."""
    return {
        # The client library refuses a producer whose requests may outlast its transactions.
        "socket.timeout.ms": min(config.request_timeout_ms, config.transaction_timeout_ms),
        "reconnect.backoff.max.ms": 1_000,
        **config.extra,
        **({} if config.token is None else {"oauth_cb": config.token}),
        "bootstrap.servers": config.bootstrap_servers,
        "client.id": f"{config.group_id}-{role}-{config.worker_slot}",
        "topic.metadata.refresh.interval.ms": config.metadata_refresh_interval_ms,
    }


def reader_options(config: KafkaConfig, role: str) -> dict[str, OptionValue]:
    """Return the options of a consumer that reads committed records and commits nothing itself."""
    return {
        # A full queue must not stop fetching for the default second.
        "fetch.queue.backoff.ms": 10,
        "queued.max.messages.kbytes": QUEUED_KILOBYTES_MAX,
        "fetch.max.bytes": FETCH_BYTES_MAX,
        **connection_options(config, role),
        "group.id": config.group_id,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "check.crcs": True,
        "allow.auto.create.topics": False,
        "enable.partition.eof": True,
    }


def member_options(config: KafkaConfig, role: str, group_id: str) -> dict[str, OptionValue]:
    """Return the options of a consumer that is a member of a group."""
    options = {
        **reader_options(config, role),
        "group.id": group_id,
        "max.poll.interval.ms": config.max_poll_interval_ms,
    }
    match config.rebalancing:
        case Rebalancing.CONSUMER:
            # Without a name that stays: such a member could not leave before its session ends.
            return {**options, "group.protocol": "consumer"}
        case Rebalancing.COOPERATIVE:
            strategy = "cooperative-sticky"
        case Rebalancing.EAGER:
            # `range` would give the first partition of every topic to the same member.
            strategy = "roundrobin"
        case _:
            assert_never(config.rebalancing)
    return {
        **options,
        "group.protocol": "classic",
        "partition.assignment.strategy": strategy,
        # Who comes back by its name takes the place of the one that died, at once: the brokers let
        # only one of them commit. `WatchedConsumer.leave` tells them when it is gone for good.
        "group.instance.id": config.worker_slot,
        "session.timeout.ms": config.session_timeout_ms,
        "heartbeat.interval.ms": max(1, min(HEARTBEAT_MS_MAX, config.session_timeout_ms // 3)),
    }


def transactional_id(config: KafkaConfig, role: str) -> str:
    """Return what the transactional producer of a role is called."""
    return f"{config.group_id}-{role}-{config.worker_slot}"


def producer_options(config: KafkaConfig, role: str) -> dict[str, OptionValue]:
    """Return the options of the transactional producer of a role."""
    return {
        # The default back-off is the whole latency tail: a new transaction meets the last one's
        # end, and is tried again only after it.
        "linger.ms": 0,
        "retry.backoff.ms": 1,
        "retry.backoff.max.ms": 10,
        # More than one transaction holds, so that producing never waits.
        "queue.buffering.max.messages": 200_000,
        # A transaction that commits has delivered them all: no report for each is needed.
        "delivery.report.only.error": True,
        **connection_options(config, role),
        "enable.idempotence": True,
        "acks": "all",
        "transactional.id": transactional_id(config, role),
        "transaction.timeout.ms": config.transaction_timeout_ms,
        "message.timeout.ms": config.transaction_timeout_ms,
    }
