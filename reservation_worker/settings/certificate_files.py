"""Files that settings name: looked at before a client is built, so that each has a sentence.

What a server says of them shows later, when it is asked.
"""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from reservation_worker.settings.model import Settings
from reservation_worker.settings.secret_files import SecretUnreadable, read_secret


@dataclass(frozen=True, slots=True)
class _Identity:
    """The certificate and the key of one section."""

    section: str
    certificate: Path
    key: Path
    password: SecretStr | None


def broken_files(settings: Settings) -> Iterator[str]:
    """Say what is wrong with each file: missing, not readable, not what it should be."""
    kafka, redis = settings.kafka, settings.redis
    for section, secured in (("kafka", kafka), ("redis", redis)):
        files = {
            f"{section}.tls_ca_file": secured.tls_ca_file,
            f"{section}.tls_certificate_file": secured.tls_certificate_file,
            f"{section}.tls_key_file": secured.tls_key_file,
        }
        problems = [*_unreadable(files)]
        yield from problems
        if not problems and secured.tls_ca_file is not None:
            yield from _no_authority(f"{section}.tls_ca_file", secured.tls_ca_file)
        if not problems and secured.tls_certificate_file and secured.tls_key_file:
            yield from _wrong_identity(
                _Identity(
                    section,
                    secured.tls_certificate_file,
                    secured.tls_key_file,
                    secured.tls_key_password,
                )
            )
    yield from _unreadable({"kafka.kerberos_keytab_file": kafka.kerberos_keytab_file})
    if kafka.oauth_token_file is not None:
        try:
            read_secret(kafka.oauth_token_file)
        except SecretUnreadable as error:
            yield f"kafka.oauth_token_file: {error}"


def _unreadable(files: dict[str, Path | None]) -> Iterator[str]:
    for setting, path in files.items():
        if path is None:
            continue
        try:
            with path.open("rb") as file:
                file.read(1)
        except OSError as error:
            yield f"{setting}: {path} cannot be read: {error.strerror}"


def _no_authority(setting: str, path: Path) -> Iterator[str]:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except (ssl.SSLError, ValueError):
        yield f"{setting}: {path} holds no certificate in PEM form: nobody would be trusted"


def _wrong_identity(identity: _Identity) -> Iterator[str]:
    section, was_asked = identity.section, False

    def password() -> str:
        nonlocal was_asked
        was_asked = True
        return "" if identity.password is None else identity.password.get_secret_value()

    for setting, path, what in (
        ("tls_certificate_file", identity.certificate, "CERTIFICATE-----"),
        ("tls_key_file", identity.key, "PRIVATE KEY-----"),
    ):
        if what.encode() not in path.read_bytes():
            kind = "certificate" if setting == "tls_certificate_file" else "private key"
            yield f"{section}.{setting}: {path} holds no {kind} in PEM form"
            return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(
            identity.certificate, identity.key, password
        )
    except (ssl.SSLError, ValueError) as error:
        if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
            yield (
                f"{section}.tls_key_file: the key in {identity.key} does not belong to the "
                f"certificate in {identity.certificate} ({section}.tls_certificate_file)"
            )
        elif was_asked and identity.password is None:
            yield (
                f"{section}.tls_key_file: the key in {identity.key} is encrypted: "
                f"{section}.tls_key_password must be set"
            )
        elif was_asked:
            yield f"{section}.tls_key_password: it does not decrypt the key in {identity.key}"
        else:
            yield (
                f"{section}.tls_certificate_file, {section}.tls_key_file: certificate or key in "
                f"{identity.certificate} and {identity.key} are damaged"
            )
