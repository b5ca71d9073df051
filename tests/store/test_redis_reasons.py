"""Why Redis cannot be used: told by a closed set of reasons, and in a sentence without secrets."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from reservation_worker.adapters.redis.configuration import StoreConfig
from reservation_worker.adapters.redis.store import RedisStore
from reservation_worker.embedded.port_claims import LOOPBACK, claim_port
from reservation_worker.embedded.valkey import EmbeddedValkey
from reservation_worker.ports import StoreUnavailable
from reservation_worker.telemetry.labels import LostReason
from tests.certificates import ELSEWHERE, NO_DAYS, THIS_HOST, Authority, Certificate
from tests.store.conftest import FrozenClock

PASSWORD = "planted-password-4711"


def lost(url: str, **options: Any) -> tuple[LostReason, str]:  # noqa: ANN401 - the client's own
    """Return why a server cannot be used, and what is said of it."""
    client: redis.Redis = redis.Redis.from_url(
        url, retry=Retry(NoBackoff(), 0), socket_timeout=2, **options
    )
    store = RedisStore(client, StoreConfig(attempts_max=1), FrozenClock())
    with client, pytest.raises(StoreUnavailable) as caught:
        store.now_ms()
    said = str(caught.value)
    assert PASSWORD not in said
    assert caught.value.__suppress_context__
    return caught.value.reason, said


def test_nobody_listens_there() -> None:
    """A wrong port, or a server that is down."""
    claim = claim_port()
    try:
        reason, said = lost(f"redis://{LOOPBACK}:{claim.port}/0")
    finally:
        claim.release()
    assert LostReason.REFUSED is reason
    assert "nobody listens" in said


def test_no_such_host_is_known() -> None:
    """A misspelt name."""
    assert LostReason.UNRESOLVED is lost("redis://no-such-host.invalid:6379/0")[0]


def test_no_answer_comes(own_valkey: EmbeddedValkey) -> None:
    """A frozen server, or a network that swallows."""
    own_valkey.suspend()
    try:
        reason, _ = lost(f"{own_valkey.url}?socket_timeout=0.1")
    finally:
        own_valkey.resume()
    assert LostReason.TIMED_OUT is reason


def test_a_password_is_missing_or_wrong(own_valkey: EmbeddedValkey) -> None:
    """It was changed, or a secret was not mounted."""
    with redis.Redis.from_url(own_valkey.url) as client:
        client.config_set("requirepass", "another")
    for options in ({}, {"password": PASSWORD}):
        reason, said = lost(own_valkey.url, **options)
        assert LostReason.AUTHENTICATION is reason
        assert "redis.password" in said


@pytest.mark.parametrize(
    ("rules", "told"),
    [(("+@all", "-info"), "the command INFO"), (("+@all", "-time"), "the command TIME")],
)
def test_a_right_is_missing(own_valkey: EmbeddedValkey, rules: tuple[str, ...], told: str) -> None:
    """An access control list that was written for an older release: the command is named."""
    with redis.Redis.from_url(own_valkey.url) as client:
        client.execute_command("ACL", "SETUSER", "worker", "on", f">{PASSWORD}", "~*", *rules)
    reason, said = lost(own_valkey.url, username="worker", password=PASSWORD)
    assert LostReason.NO_RIGHT is reason
    assert told in said


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make an authority."""
    return Authority(tmp_path_factory.mktemp("authority"))


@contextmanager
def tls_port(certificate: Certificate) -> Iterator[int]:
    """Speak TLS on a port, as what stands before a Redis does: nothing comes after the handshake.

    The embedded Valkey is built without TLS.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    listener = socket.create_server((LOOPBACK, 0))

    def shake_hands() -> None:
        with suppress(OSError):
            near, _address = listener.accept()
            with suppress(OSError), context.wrap_socket(near, server_side=True):
                pass

    thread = Thread(target=shake_hands, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join()
        listener.close()


@pytest.mark.parametrize(
    ("subjects", "days", "is_trusted", "expected"),
    [
        (THIS_HOST, 30, False, LostReason.NOT_TRUSTED),
        (ELSEWHERE, 30, True, LostReason.WRONG_HOST_NAME),
        (THIS_HOST, NO_DAYS, True, LostReason.EXPIRED),
    ],
)
def test_a_certificate_is_refused(
    tmp_path: Path,
    authority: Authority,
    *,
    subjects: tuple[str, ...],
    days: int,
    is_trusted: bool,
    expected: LostReason,
) -> None:
    """Each with its own reason: who is to do what about it differs."""
    certificate = authority.issue(f"server-{expected.value}", subjects, days=days)
    other = Authority(tmp_path, "other")
    with tls_port(certificate) as port:
        trusted = authority if is_trusted else other
        url = f"rediss://{LOOPBACK}:{port}/0"
        assert expected is lost(url, ssl_ca_certs=str(trusted.certificate))[0]


def test_one_side_speaks_tls_and_the_other_does_not(
    own_valkey: EmbeddedValkey, authority: Authority
) -> None:
    """`rediss://` to a plain port, where nobody answers the hello; and the other way round."""
    url = f"rediss://{LOOPBACK}:{own_valkey.port}/0"
    assert LostReason.NOT_TLS is lost(url, ssl_cert_reqs=ssl.CERT_NONE)[0]
    with tls_port(authority.issue("server")) as port:
        reason, said = lost(f"redis://{LOOPBACK}:{port}/0")
    assert reason in {LostReason.NOT_TLS, LostReason.DISCONNECTED}, "as its TLS is written"
    assert "rediss://" in said
