"""What Kafka's clients were made of, looked at while they run."""

from hashlib import sha256
from pathlib import Path
from typing import Final

from reservation_worker.settings.client_options import KAFKA_FILES
from reservation_worker.settings.sections import KafkaSettings
from reservation_worker.settings.shown import origin_of

GONE: Final = b""
"""A file that is just being replaced: no new client could be made of it now."""


class KafkaSecrets:
    """Knows which secrets and files have changed since Kafka's clients were made of them.

    Clients read them once. The library can be given another password, but that call took seconds
    where it was needed most: on a consumer that had just been refused.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._read_by_clients = _fingerprints(kafka)

    def changed(self) -> str:
        """Name what has changed, and where it comes from; nothing: all is as it was."""
        now = _fingerprints(self._kafka)
        return "; ".join(
            name for name, read in self._read_by_clients.items() if now[name] not in {read, GONE}
        )


def _fingerprints(kafka: KafkaSettings) -> dict[str, bytes]:
    """Return by its name what stands for each file and each secret."""
    paths: dict[str, Path] = {
        f"kafka.{name}, {path}": path
        for name in KAFKA_FILES
        if (path := getattr(kafka, name)) is not None
    }
    files = {name: _content(path) for name, path in paths.items()}
    secrets = {
        "kafka.sasl_password": kafka.sasl_password,
        "kafka.tls_key_password": kafka.tls_key_password,
        "kafka.oauth_client_secret": kafka.oauth_client_secret,
        **{f"kafka.extra_files.{name}": secret for name, secret in kafka.extra_files.items()},
    }
    return {
        **files,
        **{
            origin_of(name, secret): sha256(secret.get_secret_value().encode()).digest()
            for name, secret in secrets.items()
            if secret is not None
        },
    }


def _content(path: Path) -> bytes:
    try:
        return sha256(path.read_bytes()).digest()
    except OSError:
        return GONE
