"""Fixtures of real servers for anyone's tests.

Name the module in a conftest: `pytest_plugins = ["reservation_worker.embedded.pytest_plugin"]`.
Both servers are started when a test first asks for them, and live as long as the session.
"""

import sys
from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from reservation_worker.embedded.kafka import EmbeddedKafka
from reservation_worker.embedded.valkey import EmbeddedValkey


@pytest.fixture(scope="session")
def embedded_kafka(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[EmbeddedKafka]:
    """Apache Kafka, one broker, shared by the session."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def progress(line: str) -> None:
        # A download that takes long must show, whatever is captured.
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            sys.stderr.write(f"{line}\n")

    with EmbeddedKafka(tmp_path_factory.mktemp("kafka"), progress=progress) as kafka:
        yield kafka


@pytest.fixture(scope="session")
def embedded_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """Valkey that has each write on disk before it answers, shared by the session."""
    with EmbeddedValkey(tmp_path_factory.mktemp("valkey"), append_fsync="always") as valkey:
        yield valkey
