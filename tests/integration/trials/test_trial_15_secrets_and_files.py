"""What is wrong with secrets, files and options: each its own sentence, said at the start.

Exit code 2: the settings cannot be used; 4: a server does not take them. Never a traceback, and
never a secret.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis

from reservation_worker.cli.dependencies import Unreachable, reaching_kafka, reaching_redis
from reservation_worker.cli.entry import explained
from reservation_worker.cli.exit_codes import ExitCode
from reservation_worker.cli.options import read_settings
from reservation_worker.composition import build_store, build_topic_admin, topic_layout
from reservation_worker.embedded.port_claims import LOOPBACK
from reservation_worker.embedded.valkey import EmbeddedValkey
from reservation_worker.settings.loading import SettingsInvalid
from tests.certificates import ELSEWHERE, NO_DAYS, Authority
from tests.cli.command import CommandLine
from tests.secured_kafka import EXPIRED, TLS, USERS, WRONG_HOST, SecuredKafka
from tests.tls_proxy import TlsProxy

CANARY = "hush-hush"
TIMEOUT_MS = 3_000
Overrides = dict[str, dict[str, Any]]


def said(overrides: Overrides) -> tuple[ExitCode, str]:
    """Return the exit code of a start with these settings, and what it says."""
    quick: Overrides = {
        "kafka": {"request_timeout_ms": TIMEOUT_MS},
        "redis": {"timeout_ms": 1_000, "attempts_max": 1},
    }
    given = {name: {**section, **overrides.get(name, {})} for name, section in quick.items()}
    try:
        settings = read_settings(None, given)
        if "redis" in overrides:
            with reaching_redis(settings):
                build_store(settings).now_ms()
        else:
            with reaching_kafka(settings):
                build_topic_admin(settings).plan(topic_layout(settings))
    except (SettingsInvalid, Unreachable) as error:
        code, lines = explained(error)
    else:
        return ExitCode.OK, ""
    assert lines, "it would be a traceback"
    assert CANARY not in "".join(lines)
    return code, "\n".join(lines)


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, Authority]:
    """Make two authorities, of which nobody trusts the second one."""
    return (
        Authority(tmp_path_factory.mktemp("trusted"), "trusted"),
        Authority(tmp_path_factory.mktemp("unknown"), "unknown"),
    )


# ---- options that the clients do not know


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (
            {"kafka": {"extra": {"queued.max.message.kbytes": CANARY}}},
            r"has no option queued.max.message.kbytes; did you mean queued.max.messages.kbytes\?",
        ),
        (
            {"kafka": {"extra": {"linger.ms": "soon"}}},
            r'kafka.extra: linger.ms: Invalid value for configuration property "[a-z.]+"',
        ),
        (
            {"kafka": {"security_protocol": "SSL", "extra": {"ssl.key.pem": CANARY}}},
            "The Kafka client library does not take kafka.…: .*ssl.key.pem",
        ),
        (
            {"kafka": {"extra": {"error_cb": CANARY}}},
            "kafka.extra: the client library has no option error_cb",
        ),
        (
            {"redis": {"url": f"redis://localhost?nonsense={CANARY}"}},
            r"redis.url .*behind its `\?`",
        ),
        ({"redis": {"url": f"ftp://{CANARY}@localhost"}}, "redis.url .*: is not an address"),
        (
            {
                "kafka": {
                    "security_protocol": "SASL_PLAINTEXT",
                    "sasl_mechanism": "GSSAPI",
                    "kerberos_principal": "worker@SHOP",
                    "kerberos_keytab_file": __file__,
                }
            },
            "The Kafka client library does not take kafka.…: .*GSSAPI",
        ),
    ],
    ids=["misspelt", "value", "key", "callback", "query", "scheme", "kerberos"],
)
def test_options_that_no_client_takes_are_named(overrides: Overrides, sentence: str) -> None:
    """The libraries know which there are; Kerberos is not built into the one that pip installs."""
    code, text = said(overrides)
    assert ExitCode.USAGE == code
    assert re.search(sentence, text), text


def test_all_problems_of_files_and_relations_come_together(tmp_path: Path) -> None:
    """One restart per mistake is one too many."""
    code, text = said(
        {
            "kafka": {"security_protocol": "SASL_SSL", "tls_ca_file": tmp_path / "ca"},
            "redis": {"url": "rediss://localhost", "tls_key_file": tmp_path / "key"},
        }
    )
    assert ExitCode.USAGE == code
    for part in ("needs kafka.sasl_mechanism", "kafka.tls_ca_file: ", "redis.tls_key_file: "):
        assert part in text
    assert "go together" in text


def test_a_whole_command_says_one_sentence_and_no_traceback(secured_kafka: SecuredKafka) -> None:
    """As an operator sees it."""
    ended = CommandLine(
        {
            "RESERVATION_KAFKA__BOOTSTRAP_SERVERS": secured_kafka.address(TLS),
            "RESERVATION_KAFKA__REQUEST_TIMEOUT_MS": str(TIMEOUT_MS),
            "RESERVATION_KAFKA__SECURITY_PROTOCOL": "SSL",
        }
    )("run")
    assert 4 == ended.code
    (line,) = [one for one in ended.stderr.splitlines() if not one.startswith("{")]
    assert line.startswith(f"Kafka at {secured_kafka.address(TLS)} cannot be used: ")
    assert "certificate" in line


# ---- Kafka


def kafka_cases(
    kafka: SecuredKafka, authorities: tuple[Authority, Authority]
) -> dict[str, tuple[str, dict[str, Any], str]]:
    """Return what is tried: the listener, the settings, and what must be said."""
    trusted = {"security_protocol": "SSL", "tls_ca_file": kafka.authority.certificate}
    scram = {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_username": "worker",
        "sasl_password": CANARY,
    }
    return {
        "password": (USERS, scram, "SASL authentication error"),
        "authority": (
            TLS,
            {**trusted, "tls_ca_file": authorities[1].certificate},
            "the certificate of .* is refused: unable to get local issuer certificate",
        ),
        "expired": (EXPIRED, trusted, "the certificate of .* is refused: certificate has expired"),
        "host": (WRONG_HOST, trusted, "the certificate of .* is refused: .* mismatch"),
        "TLS to a plain port": (USERS, trusted, "connecting to a PLAINTEXT broker listener"),
        "plain to a TLS port": (TLS, {}, "does it want TLS or SASL"),
        "nobody": (USERS, {}, "does it want TLS or SASL"),
    }


@pytest.mark.parametrize(
    "case",
    [
        *("password", "authority", "expired", "host"),
        *("TLS to a plain port", "plain to a TLS port", "nobody"),
    ],
)
def test_kafka_says_why_it_cannot_be_used(
    case: str, secured_kafka: SecuredKafka, authorities: tuple[Authority, Authority]
) -> None:
    """The client library calls all of these a transport failure."""
    listener, settings, sentence = kafka_cases(secured_kafka, authorities)[case]
    code, text = said({"kafka": {"bootstrap_servers": secured_kafka.address(listener), **settings}})
    assert ExitCode.UNREACHABLE == code
    assert re.search(sentence, text), text
    assert 1 == len(text.splitlines())


# ---- Redis


@pytest.fixture(scope="module")
def servers(
    tmp_path_factory: pytest.TempPathFactory, authorities: tuple[Authority, Authority]
) -> Iterator[dict[str, int]]:
    """Run a Valkey with a password; gives the ports of it and of what speaks TLS before it."""
    trusted = authorities[0]
    certificates = {
        "good": trusted.issue("good"),
        "expired": trusted.issue("expired", days=NO_DAYS),
        "elsewhere": trusted.issue("elsewhere", ELSEWHERE),
    }
    with ExitStack() as stack:
        valkey = stack.enter_context(EmbeddedValkey(tmp_path_factory.mktemp("valkey")))
        with redis.Redis.from_url(valkey.url) as client:
            client.config_set("requirepass", "right")
        ports = {
            name: stack.enter_context(TlsProxy(certificate, valkey.port)).port
            for name, certificate in certificates.items()
        }
        yield {"plain": valkey.port, **ports}


@pytest.mark.parametrize(
    ("server", "settings", "sentence"),
    [
        (
            "plain",
            {},
            r"user and password \(redis.username and redis.password: none are set",
        ),
        ("plain", {"password": CANARY}, r"does not take this user and password \(redis.password"),
        ("elsewhere", {"tls": 0}, "its certificate is for another host"),
        ("expired", {"tls": 0}, "a certificate is no longer valid"),
        ("good", {"tls": 1}, "its certificate.* was issued by nobody"),
        ("plain", {"tls": 0}, "one side speaks TLS and the other one does not"),
        ("good", {}, "rediss:// in redis.url"),
        ("plain", {"topology": "cluster", "password": "right"}, "is not one of a cluster"),
    ],
    ids=[
        *("no password", "password", "host", "expired", "authority"),
        *("TLS to a plain port", "plain to a TLS port", "no cluster"),
    ],
)
def test_redis_says_why_it_cannot_be_used(
    server: str,
    settings: dict[str, Any],
    sentence: str,
    servers: dict[str, int],
    authorities: tuple[Authority, Authority],
) -> None:
    """The client calls all of these a connection error."""
    given = {name: value for name, value in settings.items() if name != "tls"}
    scheme = "redis"
    if "tls" in settings:
        scheme, given["password"] = "rediss", "right"
        given["tls_ca_file"] = authorities[settings["tls"]].certificate
    given["url"] = f"{scheme}://{LOOPBACK}:{servers[server]}/0"
    code, text = said({"redis": given})
    assert ExitCode.UNREACHABLE == code
    assert re.search(sentence, text), text
    assert 1 == len(text.splitlines())


def test_redis_is_reached_by_tls_with_a_password(
    servers: dict[str, int], authorities: tuple[Authority, Authority]
) -> None:
    """What is refused above is refused for its own reason."""
    good = {
        "url": f"rediss://:right@{LOOPBACK}:{servers['good']}/0",
        "tls_ca_file": authorities[0].certificate,
    }
    assert (ExitCode.OK, "") == said({"redis": good})
