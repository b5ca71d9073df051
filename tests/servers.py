"""The servers that tests share: containers where a Docker engine can run them, else embedded ones.

Both have the same versions and settings, so a test cannot tell which it got.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
from docker.errors import DockerException, ImageNotFound
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from reservation_worker.embedded.kafka import serves_clients
from reservation_worker.embedded.kafka_jars import KAFKA_VERSION
from reservation_worker.embedded.kafka_properties import BrokerAddress, broker_properties
from reservation_worker.embedded.port_claims import LOOPBACK, claim_port
from reservation_worker.embedded.valkey import ValkeyConfig, answers, configuration_text
from tests.waiting import wait_until

KAFKA_IMAGE = f"apache/kafka:{KAFKA_VERSION}"
VALKEY_IMAGE = "valkey/valkey:9.1"
ENGINE_TIMEOUT_SECONDS = 5
PULL_TIMEOUT_SECONDS = 300
START_TIMEOUT_MS = 60_000


def docker_can_run(image: str) -> bool:
    """Whether a Docker engine of this machine answers, and has what it takes or can fetch it.

    That is the image, and the one that cleans up: it is run beside every container of a test.
    """
    cleaner = () if testcontainers_config.ryuk_disabled else (testcontainers_config.ryuk_image,)
    return _engine_listens() and all(_can_be_had(one) for one in (image, *cleaner))


def _can_be_had(image: str) -> bool:
    try:
        engine = docker.from_env(timeout=ENGINE_TIMEOUT_SECONDS)
    except DockerException:
        return False
    try:
        engine.images.get(image)
    except ImageNotFound:
        return _pulled(image)
    except (DockerException, OSError):
        return False
    finally:
        engine.close()
    return True


def _engine_listens() -> bool:
    """Ask the local socket only: an engine elsewhere cannot publish ports on our loopback."""
    address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    scheme, _, path = address.partition("://")
    if scheme != "unix":
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(ENGINE_TIMEOUT_SECONDS)
        return probe.connect_ex(path) == 0


def _pulled(image: str) -> bool:
    engine = docker.from_env(timeout=PULL_TIMEOUT_SECONDS)
    try:
        engine.images.pull(image)
    except (DockerException, OSError):
        return False
    finally:
        engine.close()
    return True


@contextmanager
def kafka_in_docker() -> Iterator[str]:
    """Run one broker in a container; gives its bootstrap servers."""
    with _claimed_port() as port:
        address = BrokerAddress(number=1, port=port, controller_port=port + 1)
        settings = {
            **broker_properties(address, (address,), Path("/tmp/kafka-data")),  # noqa: S108
            # Within the container all addresses; outside, the loopback only.
            "listeners": f"PLAINTEXT://:{port},CONTROLLER://:{address.controller_port}",
        }
        environment = {_variable(name): value for name, value in settings.items()}
        container = DockerContainer(KAFKA_IMAGE, env={**environment, "KAFKA_HEAP_OPTS": "-Xmx512m"})
        _publish_on_loopback(container, port)
        bootstrap_servers = f"{LOOPBACK}:{port}"
        with container:
            is_ready = serves_clients(bootstrap_servers, address.number)
            wait_until(is_ready, timeout_ms=START_TIMEOUT_MS, what="Kafka in Docker serves clients")
            yield bootstrap_servers


@contextmanager
def valkey_in_docker() -> Iterator[str]:
    """Run one Valkey that has each write on disk before it answers; gives its address."""
    with _claimed_port() as port:
        configuration = configuration_text(ValkeyConfig(append_fsync="always"), port)
        container = DockerContainer(VALKEY_IMAGE, command="valkey-server /valkey.conf")
        container.with_copy_into_container(
            configuration.replace(f"bind {LOOPBACK}", "protected-mode no").encode(), "/valkey.conf"
        )
        _publish_on_loopback(container, port)
        with container:
            wait_until(
                lambda: answers(port),
                timeout_ms=START_TIMEOUT_MS,
                what="Valkey in Docker answers",
            )
            yield f"redis://{LOOPBACK}:{port}/0"


@contextmanager
def _claimed_port() -> Iterator[int]:
    claim = claim_port()
    try:
        yield claim.port
    finally:
        claim.release()


def _variable(name: str) -> str:
    """Name a broker setting as the image wants it in its environment."""
    return "KAFKA_" + name.upper().replace(".", "_")


def _publish_on_loopback(container: DockerContainer, port: int) -> None:
    # The engine takes an address with the port; the library's type knows the port only.
    container.ports[str(port)] = (LOOPBACK, port)  # type: ignore[assignment]
