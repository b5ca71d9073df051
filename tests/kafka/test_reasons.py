"""Why Kafka cannot be used: a reason from a closed set, from what the client library says."""

import pytest
from confluent_kafka import KafkaError

from reservation_worker.adapters.kafka.client_logs import ClientVoice
from reservation_worker.adapters.kafka.configuration import KafkaConfig
from reservation_worker.adapters.kafka.errors import reason_in, reason_of, sentence_of
from reservation_worker.adapters.kafka.topic_questions import TopicQuestions
from reservation_worker.embedded.port_claims import LOOPBACK, claim_port
from reservation_worker.ports import BrokerUnavailable
from reservation_worker.telemetry.labels import LostReason
from tests.secured_kafka import EXPIRED, TLS, USERS, WRONG_HOST, SecuredKafka


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Connect to ipv4#127.0.0.1:9 failed: Connection refused (after 0ms)", LostReason.REFUSED),
        ("Failed to resolve 'nosuch:9092': Name or service not known", LostReason.UNRESOLVED),
        (
            "SSL handshake failed: SSL routines::certificate verify failed: broker certificate",
            LostReason.NOT_TRUSTED,
        ),
        (
            "SSL handshake failed: Disconnected: connecting to a PLAINTEXT broker listener?",
            LostReason.NOT_TLS,
        ),
        (
            "SASL authentication error: Authentication failed due to invalid credentials",
            LostReason.AUTHENTICATION,
        ),
        (
            "SASL SCRAM-SHA-256 mechanism handshake failed: Local: Broker transport failure",
            LostReason.DISCONNECTED,
        ),
        ("Failed to query partition leaders: No leaders found", LostReason.NO_LEADER),
        ("something else", LostReason.OTHER),
    ],
)
def test_the_library_tells_reasons_in_words_only(text: str, reason: LostReason) -> None:
    """As version 2.16 writes them."""
    assert reason is reason_in(text)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, LostReason.NO_RIGHT),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, LostReason.NO_RIGHT),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, LostReason.UNKNOWN_TOPIC),
        (KafkaError._ALL_BROKERS_DOWN, LostReason.OTHER),  # noqa: SLF001
        (KafkaError.NOT_ENOUGH_REPLICAS, LostReason.NO_LEADER),
        (KafkaError.SASL_AUTHENTICATION_FAILED, LostReason.AUTHENTICATION),
        (KafkaError._AUTHENTICATION, LostReason.AUTHENTICATION),  # noqa: SLF001
        (KafkaError._TIMED_OUT, LostReason.TIMED_OUT),  # noqa: SLF001
        (KafkaError._RESOLVE, LostReason.UNRESOLVED),  # noqa: SLF001
    ],
)
def test_codes_have_reasons(code: int, reason: LostReason) -> None:
    """Where the brokers tell them."""
    assert reason is reason_of(KafkaError(code))


def test_a_handshake_that_nobody_answered_is_no_refusal() -> None:
    """The code says that somebody was refused; another password would change nothing."""
    code = KafkaError._AUTHENTICATION  # noqa: SLF001
    text = "SASL SCRAM-SHA-256 mechanism handshake failed: Local: Broker transport failure"
    assert LostReason.DISCONNECTED is reason_of(KafkaError(code, text))


def test_that_all_brokers_are_down_does_not_hide_why() -> None:
    """The library says both, in this order; the call itself only that it timed out."""
    voice = ClientVoice({"client.id": "test"}, ())
    tell = voice.options["error_cb"]
    timed_out = KafkaError(KafkaError._TIMED_OUT)  # noqa: SLF001
    assert voice.explained(timed_out, "Asking").reason is LostReason.TIMED_OUT
    tell(KafkaError(KafkaError._AUTHENTICATION, "SASL authentication error"))  # noqa: SLF001
    tell(KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"))  # noqa: SLF001
    assert voice.explained(timed_out, "Asking").reason is LostReason.AUTHENTICATION
    no_right = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    assert voice.explained(no_right, "Asking").reason is LostReason.NO_RIGHT


def test_a_missing_right_says_where_rights_are_listed() -> None:
    """Whoever reads the line must know what to do."""
    sentence = sentence_of(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED))
    assert "no right on the group" in sentence
    assert "deploy/kafka/acls.txt" in sentence


def ask(config: KafkaConfig) -> BrokerUnavailable:
    """Ask for a topic, and return what came of it."""
    with pytest.raises(BrokerUnavailable) as caught:
        TopicQuestions(config, "test").describe(["orders"])
    return caught.value


def config_for(bootstrap_servers: str, **extra: str) -> KafkaConfig:
    """Return the configuration of a client."""
    return KafkaConfig(
        bootstrap_servers=bootstrap_servers,
        group_id="reasons",
        worker_slot="one",
        request_timeout_ms=3_000,
        extra={name.replace("_", "."): value for name, value in extra.items()},
    )


def test_an_outage_names_the_topic_and_why() -> None:
    """The call itself says no more than that it timed out."""
    claim = claim_port()
    try:
        error = ask(config_for(f"{LOOPBACK}:{claim.port}"))
    finally:
        claim.release()
    assert error.reason is LostReason.REFUSED
    assert "orders" in str(error)
    assert str(claim.port) in str(error)


@pytest.mark.parametrize(
    ("listener", "reason"),
    [
        (EXPIRED, LostReason.EXPIRED),
        (WRONG_HOST, LostReason.WRONG_HOST_NAME),
        (USERS, LostReason.NOT_TLS),
    ],
)
def test_what_is_wrong_with_a_certificate_is_told(
    secured_kafka: SecuredKafka, listener: str, reason: LostReason
) -> None:
    """The library says no more than that it is not trusted."""
    error = ask(
        config_for(
            secured_kafka.address(listener),
            security_protocol="SSL",
            ssl_ca_location=str(secured_kafka.authority.certificate),
        )
    )
    assert error.reason is reason


def test_an_authority_that_is_not_known_is_told(secured_kafka: SecuredKafka) -> None:
    """Nothing was given but the system's own."""
    error = ask(config_for(secured_kafka.address(TLS), security_protocol="SSL"))
    assert error.reason is LostReason.NOT_TRUSTED


def test_a_wrong_password_is_told(secured_kafka: SecuredKafka) -> None:
    """Neither the call nor its code say so."""
    secured_kafka.set_password("reasons", "right")
    error = ask(
        config_for(
            secured_kafka.address(USERS),
            security_protocol="SASL_PLAINTEXT",
            sasl_mechanism="SCRAM-SHA-256",
            sasl_username="reasons",
            sasl_password="wrong",
        )
    )
    assert error.reason is LostReason.AUTHENTICATION
    assert "wrong" not in str(error)
