"""Secrets of files: read again, and named by what is wrong with them."""

from pathlib import Path

import pytest

from reservation_worker.composition.kafka_secrets import KafkaSecrets
from reservation_worker.settings.client_options import (
    kafka_options,
    kafka_password,
    redis_address,
    redis_password,
    sentinel_password,
)
from reservation_worker.settings.loading import SettingsInvalid, load_settings
from reservation_worker.settings.secret_files import SecretFile, SecretUnreadable

SASL = {
    "RESERVATION_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
    "RESERVATION_KAFKA__SASL_MECHANISM": "SCRAM-SHA-512",
    "RESERVATION_KAFKA__SASL_USERNAME": "worker",
}


def test_a_secret_is_what_its_file_holds_now(tmp_path: Path) -> None:
    """Whoever changes a password rewrites the file, and tells nobody."""
    file = tmp_path / "password"
    file.write_text("first\n", "utf-8")
    secret = SecretFile(file)
    assert "first" == secret.get_secret_value()
    file.write_text("second", "utf-8")
    assert "second" == secret.get_secret_value()


def test_while_its_file_is_being_replaced_a_secret_is_what_it_was(tmp_path: Path) -> None:
    """A shell empties a file before it writes it, and a mount is away for a moment."""
    file = tmp_path / "password"
    file.write_text("first\n", "utf-8")
    secret = SecretFile(file)
    file.write_text("", "utf-8")
    assert "first" == secret.get_secret_value()
    file.unlink()
    assert "first" == secret.get_secret_value()


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "is empty"), (b"\xff\xfe", "is not UTF-8 text"), (b"x" * 65_537, "larger than 65536")],
)
def test_a_file_that_holds_no_secret_is_refused(
    content: bytes, problem: str, tmp_path: Path
) -> None:
    """An empty password would be told to be wrong, by a server, somewhere else."""
    file = tmp_path / "password"
    file.write_bytes(content)
    with pytest.raises(SecretUnreadable, match=f"{file} .*{problem}"):
        SecretFile(file)


def test_every_secret_of_a_file_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of Kafka and of Redis, in the address as well, and of the Sentinels."""
    files = {
        "RESERVATION_KAFKA__SASL_PASSWORD_FILE": "{}",
        "RESERVATION_REDIS__URL_FILE": "rediss://worker:{}@redis:6379/3",
        "RESERVATION_REDIS__SENTINEL_PASSWORD_FILE": "{}",
    }
    for name in files:
        monkeypatch.setenv(name, str(tmp_path / name))
    for name, value in SASL.items():
        monkeypatch.setenv(name, value)

    def write(secret: str) -> None:
        for name, content in files.items():
            (tmp_path / name).write_text(content.format(secret), "utf-8")

    write("first")
    (tmp_path / "scope").write_text("first", "utf-8")
    settings = load_settings(
        None,
        {
            "redis": {"topology": "sentinel", "sentinels": "one:1"},
            "kafka": {"extra_files": {"sasl.oauthbearer.scope": str(tmp_path / "scope")}},
        },
    )
    assert "rediss://redis:6379/3" == redis_address(settings.redis)
    write("second")
    (tmp_path / "scope").write_text("second", "utf-8")
    assert ("worker", "second") == redis_password(settings.redis)
    assert (None, "second") == sentinel_password(settings.redis)
    assert ("worker", "second") == kafka_password(settings.kafka)
    options = kafka_options(settings.kafka)
    assert ("second", "second") == (options["sasl.password"], options["sasl.oauthbearer.scope"])


def test_a_file_of_an_option_that_is_not_there_is_named(tmp_path: Path) -> None:
    """As it is for every other secret."""
    missing = tmp_path / "missing"
    with pytest.raises(SettingsInvalid) as caught:
        load_settings(None, {"kafka": {"extra_files": {"ssl.key.pem": str(missing)}}})
    (problem,) = caught.value.problems
    assert problem.endswith(f"{missing} cannot be read: No such file or directory")
    assert "kafka.extra_files.ssl.key.pem" in problem


def test_what_new_clients_of_kafka_would_read_is_named_once_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Secrets and files alike, by setting and file; what is as it was again has not changed."""
    files = {
        name: tmp_path / name for name in ("password", "extensions", "ca", "certificate", "key")
    }
    for name, file in files.items():
        file.write_text(name, "utf-8")
    for name, value in SASL.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RESERVATION_KAFKA__SASL_PASSWORD_FILE", str(files["password"]))
    kafka = load_settings(
        None,
        {
            "kafka": {
                **{f"tls_{one}_file": files[one] for one in ("ca", "certificate", "key")},
                "extra_files": {"sasl.oauthbearer.extensions": str(files["extensions"])},
            }
        },
    ).kafka
    secrets = KafkaSecrets(kafka)
    assert not secrets.changed()
    settings = {
        "password": "kafka.sasl_password, from ",
        "extensions": "kafka.extra_files.sasl.oauthbearer.extensions, from ",
        **{one: f"kafka.tls_{one}_file, " for one in ("ca", "certificate", "key")},
    }
    for name, setting in settings.items():
        file = files[name]
        file.unlink()
        assert not secrets.changed(), "it is just being replaced"
        file.write_text("another", "utf-8")
        assert f"{setting}{file}" == secrets.changed()
        file.write_text(name, "utf-8")
        assert not secrets.changed()
