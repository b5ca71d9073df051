"""Fixtures that all tests may use: shared servers, and names of one's own on them."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from reservation_worker.embedded.kafka import EmbeddedKafka
from reservation_worker.embedded.valkey import EmbeddedValkey
from tests.secured_kafka import SecuredKafka, running_secured_kafka
from tests.servers import (
    KAFKA_IMAGE,
    VALKEY_IMAGE,
    docker_can_run,
    kafka_in_docker,
    valkey_in_docker,
)

pytest_plugins = ["reservation_worker.embedded.pytest_plugin", "tests.losses"]

NAME_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> Iterator[str]:
    """Bootstrap servers of a real Kafka, shared by the session: use `unique_name` for topics."""
    if docker_can_run(KAFKA_IMAGE):
        with kafka_in_docker() as bootstrap_servers:
            yield bootstrap_servers
    else:
        embedded: EmbeddedKafka = request.getfixturevalue("embedded_kafka")
        yield embedded.bootstrap_servers


@pytest.fixture(scope="session")
def secured_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    """Run a Kafka with users, rights and certificates, shared by the session."""
    with running_secured_kafka(tmp_path_factory.mktemp("secured")) as running:
        yield running


@pytest.fixture(scope="session")
def valkey(request: pytest.FixtureRequest) -> Iterator[str]:
    """Address of a real Valkey, shared by the session; most tests want `empty_valkey`."""
    if docker_can_run(VALKEY_IMAGE):
        with valkey_in_docker() as url:
            yield url
    else:
        embedded: EmbeddedValkey = request.getfixturevalue("embedded_valkey")
        yield embedded.url


@pytest.fixture
def empty_valkey(valkey: str) -> str:
    """Address of the shared Valkey, emptied for this test; its loaded scripts remain."""
    with redis.Redis.from_url(valkey) as client:
        client.flushall()
    return valkey


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """Give this test a Valkey of its own, to be killed, frozen and restarted."""
    with EmbeddedValkey(tmp_path / "valkey", append_fsync="always") as valkey:
        yield valkey


@pytest.fixture
def unique_name() -> Callable[[str], str]:
    """Make names of topics and groups that no other test uses: `unique_name("orders")`."""

    def make(stem: str) -> str:
        return f"{stem}-{os.getpid()}-{next(NAME_NUMBERS)}"

    return make
