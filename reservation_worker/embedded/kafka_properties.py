"""The configuration of an embedded broker: small, quick to react, and otherwise as in production.

What is smaller or quicker than Kafka's default, and why, stands beside each setting. Nothing here
changes what a client is promised.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reservation_worker.embedded.port_claims import LOOPBACK

REPLICAS_MAX = 3
"""As in production, where one of three may be lost and the rest still acknowledges."""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where one broker listens: for clients and brokers, and for the controllers' quorum."""

    number: int
    port: int
    controller_port: int


@dataclass(frozen=True, slots=True)
class Listener:
    """Another way to reach a broker; its certificates and users are settings of the broker."""

    name: str
    port: int
    security_protocol: str


def broker_properties(
    address: BrokerAddress,
    cluster: Sequence[BrokerAddress],
    data_directory: Path,
    further_listeners: Sequence[Listener] = (),
) -> dict[str, str]:
    """Give the settings of one broker that is controller as well, by their names."""
    voters = ",".join(f"{one.number}@{LOOPBACK}:{one.controller_port}" for one in cluster)
    client_listener = ",".join(
        f"{name}://{LOOPBACK}:{port}"
        for name, port in (
            ("PLAINTEXT", address.port),
            *((one.name, one.port) for one in further_listeners),
        )
    )
    protocols = {
        "PLAINTEXT": "PLAINTEXT",
        "CONTROLLER": "PLAINTEXT",
        **{one.name: one.security_protocol for one in further_listeners},
    }
    return {
        "process.roles": "broker,controller",
        "node.id": str(address.number),
        "controller.quorum.voters": voters,
        "listeners": f"{client_listener},CONTROLLER://{LOOPBACK}:{address.controller_port}",
        "advertised.listeners": client_listener,
        "listener.security.protocol.map": ",".join(
            f"{name}:{protocol}" for name, protocol in protocols.items()
        ),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(data_directory),
        **_replication(len(cluster)),
        **QUICK_REACTIONS,
        **SMALL_FOOTPRINT,
        # A topic that nobody created is an error of its user, and must show as one.
        "auto.create.topics.enable": "false",
        # Test data may carry timestamps of any day, and must not be deleted for it.
        "log.retention.ms": "-1",
    }


def properties_text(properties: Mapping[str, str]) -> str:
    """Write settings as a properties file."""
    return "".join(f"{name}={value}\n" for name, value in properties.items())


def _replication(brokers: int) -> dict[str, str]:
    replicas = min(brokers, REPLICAS_MAX)
    in_sync_min = max(1, replicas - 1)
    return {
        "default.replication.factor": str(replicas),
        "min.insync.replicas": str(in_sync_min),
        "offsets.topic.replication.factor": str(replicas),
        "transaction.state.log.replication.factor": str(replicas),
        "transaction.state.log.min.isr": str(in_sync_min),
        "share.coordinator.state.topic.replication.factor": str(replicas),
        "share.coordinator.state.topic.min.isr": str(in_sync_min),
    }


QUICK_REACTIONS = {
    # Waits for further members of a new group: 3 s by default, of which a test has none.
    "group.initial.rebalance.delay.ms": "0",
    # Lets tests ask for sessions shorter than the default least, 6 s.
    "group.min.session.timeout.ms": "1000",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.min.heartbeat.interval.ms": "100",
    # With `group.protocol=consumer` the broker decides: 45 s and 5 s by default.
    "group.consumer.session.timeout.ms": "6000",
    "group.consumer.heartbeat.interval.ms": "500",
    # How often timed-out transactions are looked for: 10 s by default.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
    # How soon a dead broker of several is noticed: 9 s by default.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # How soon a lagging replica leaves the set that acknowledges: 30 s by default.
    "replica.lag.time.max.ms": "5000",
    "replica.socket.timeout.ms": "5000",
}

SMALL_FOOTPRINT = {
    # 50 partitions each by default, created at the first use, which then takes seconds.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "1",
    # 128 MB of heap by default.
    "log.cleaner.dedupe.buffer.size": "8388608",
    # 10 MB of address space for each of two indexes of every partition by default.
    "log.index.size.max.bytes": "1048576",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    "num.recovery.threads.per.data.dir": "1",
}
