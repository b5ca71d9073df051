"""Tokens of a file, shown to a real broker that asks for them again and again."""

from dataclasses import replace
from pathlib import Path

import pytest

from reservation_worker.adapters.kafka.configuration import KafkaConfig
from reservation_worker.adapters.kafka.token_file import Token
from reservation_worker.adapters.kafka.topics import TopicAdmin
from reservation_worker.cli.options import read_settings
from reservation_worker.composition import kafka_config
from reservation_worker.ports import BrokerUnavailable
from reservation_worker.telemetry.labels import LostReason
from tests.secured_kafka import USERS, SecuredKafka
from tests.tokens import token_for
from tests.waiting import wait_until

TIMEOUT_MS = 30_000


def config_of(file: Path, kafka: SecuredKafka) -> KafkaConfig:
    """Return how to show the broker what a file holds."""
    kafka_settings = {
        "bootstrap_servers": kafka.address(USERS),
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "OAUTHBEARER",
        "oauth_token_file": file,
        "request_timeout_ms": 3_000,
    }
    return kafka_config(read_settings(None, {"kafka": kafka_settings}))


def test_a_token_is_renewed_from_its_file_while_the_client_runs(
    secured_kafka: SecuredKafka, tmp_path: Path
) -> None:
    """The first one ends within seconds; whoever keeps the file has rewritten it by then."""
    file = tmp_path / "token"
    file.write_text(token_for("worker", lifetime_seconds=4), "utf-8")
    config = config_of(file, secured_kafka)
    shown: list[str] = []

    def token(configuration: str) -> Token:
        assert config.token is not None
        found = config.token(configuration)
        shown.append(found[0])
        return found

    admin = TopicAdmin(replace(config, token=token))
    assert admin.partition_counts() is not None
    later = token_for("worker", lifetime_seconds=60)
    file.write_text(later, "utf-8")
    wait_until(lambda: later in shown, timeout_ms=TIMEOUT_MS, what="the file is read again")
    assert admin.partition_counts() is not None


def test_a_token_that_is_over_is_a_failed_authentication(
    secured_kafka: SecuredKafka, tmp_path: Path
) -> None:
    """Not a broker that is away: somebody has to look after the file."""
    file = tmp_path / "token"
    file.write_text(token_for("worker", lifetime_seconds=-60), "utf-8")
    with pytest.raises(BrokerUnavailable) as caught:
        TopicAdmin(config_of(file, secured_kafka))
    assert LostReason.AUTHENTICATION == caught.value.reason
    assert file.read_text("utf-8") not in str(caught.value)
