"""What the client library repeats of secrets is shown nowhere: not in the log, not in an outage."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Final

import pytest
from structlog.testing import capture_logs

from reservation_worker.adapters.kafka.hiding import HIDDEN, hiding
from reservation_worker.adapters.kafka.topics import TopicAdmin
from reservation_worker.cli.options import read_settings
from reservation_worker.composition import kafka_config
from reservation_worker.ports import BrokerUnavailable
from reservation_worker.telemetry.labels import LostReason
from reservation_worker.telemetry.log_events import CLIENT_WARNED
from tests.secured_kafka import USERS, SecuredKafka
from tests.tokens import TokenEndpoint, token_for

SECRET: Final = 'hush "hush" 4711'
TIMEOUT_MS: Final = 5_000


class RepeatingEndpoint(TokenEndpoint):
    """Refuses everybody, and repeats what it was sent: it shall help who debugs."""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one who asks for a token."""
        request.rfile.read(int(request.headers["Content-Length"]))
        told = f"{SECRET} is wrong; {request.headers['Authorization']}"
        body = json.dumps({"error": "invalid_client", "error_description": told}).encode()
        request.send_response(401)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)


@pytest.fixture
def repeating_endpoint() -> Iterator[TokenEndpoint]:
    """Run one."""
    with RepeatingEndpoint("worker", "right") as endpoint:
        yield endpoint


def said(kafka: SecuredKafka, **settings: object) -> tuple[BrokerUnavailable, list[str]]:
    """Return the outage that these settings lead to, and what the log says of the client."""
    given = {
        "bootstrap_servers": kafka.address(USERS),
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "OAUTHBEARER",
        "request_timeout_ms": TIMEOUT_MS,
        **settings,
    }
    config = kafka_config(read_settings(None, {"kafka": given}))
    with capture_logs() as lines, pytest.raises(BrokerUnavailable) as caught:
        TopicAdmin(config).partition_counts()
    warned = [json.dumps(line) for line in lines if line["event"] == CLIENT_WARNED]
    return caught.value, warned


def test_an_endpoint_that_repeats_the_secret_is_told_without_it(
    secured_kafka: SecuredKafka, repeating_endpoint: TokenEndpoint
) -> None:
    """The library takes its answer into its own text, whatever stands there."""
    outage, warned = said(
        secured_kafka,
        oauth_token_endpoint=repeating_endpoint.url,
        oauth_client_id="worker",
        oauth_client_secret=SECRET,
    )
    assert LostReason.AUTHENTICATION is outage.reason
    assert warned
    for text in (str(outage), *warned):
        assert "hush" not in text
    assert f"{HIDDEN} is wrong; Basic {HIDDEN}" in str(outage)


def test_an_option_that_the_library_repeats_is_told_without_its_value(
    secured_kafka: SecuredKafka, tmp_path: Path
) -> None:
    """Of a value with a character that may not be in it, the library shows all."""
    file = tmp_path / "extensions"
    file.write_text("tenant=\x01hush-hush", "utf-8")
    with TokenEndpoint("worker", "right") as endpoint:
        outage, warned = said(
            secured_kafka,
            oauth_token_endpoint=endpoint.url,
            oauth_client_id="worker",
            oauth_client_secret="right",
            extra_files={"sasl.oauthbearer.extensions": str(file)},
        )
    assert warned
    for text in (str(outage), *warned):
        assert "hush" not in text
    assert HIDDEN in str(outage)


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ("a b/c&d", "client_secret=a%20b%2Fc%26d"),
        ('say "hush"', 'said {"secret": "say \\"hush\\""}'),
        ("one=first-hush,two=other-hush", "wrong: other-hush"),
        ("", f"the token {token_for('worker')} is over"),
    ],
)
def test_a_secret_is_found_in_every_form(secret: str, text: str) -> None:
    """As a form, as JSON and as a part of a list."""
    hidden = hiding({secret})(text)
    assert HIDDEN in hidden
    assert "hush" not in hidden
    assert "%20" not in hidden
    assert "eyJ" not in hidden


def test_what_is_no_secret_is_left() -> None:
    """A text without its address explains nothing; of two secrets the longer one counts."""
    settings = read_settings(
        None,
        {
            "kafka": {
                "security_protocol": "SASL_SSL",
                "sasl_mechanism": "PLAIN",
                "sasl_username": "worker",
                "sasl_password": "hush",
                "extra": {"client.rack": "rack-7", "sasl.oauthbearer.extensions": "hush-hush"},
            }
        },
    )
    config = kafka_config(settings)
    assert {"hush", "hush-hush"} == config.secrets
    text = "sasl_ssl://localhost:9092/worker (rack-7)"
    assert f"{text} ***, ***" == hiding(config.secrets)(f"{text} hush-hush, hush")
    assert "a" * 3 == hiding({"a"})("a" * 3), "too short to be looked for"
