"""What the clients' own options are called that settings stand for."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, get_args
from urllib.parse import unquote, urlsplit, urlunsplit

from pydantic import SecretStr

from reservation_worker.settings.harmless_options import HARMLESS_OPTIONS
from reservation_worker.settings.sections import KafkaSettings, RedisSettings

_KAFKA_OPTION_OF: Final = {
    "message_bytes_max": "message.max.bytes",
    "security_protocol": "security.protocol",
    "tls_ca_file": "ssl.ca.location",
    "tls_certificate_file": "ssl.certificate.location",
    "tls_key_file": "ssl.key.location",
    "tls_key_password": "ssl.key.password",
    "sasl_mechanism": "sasl.mechanism",
    "sasl_username": "sasl.username",
    "sasl_password": "sasl.password",
    "oauth_token_endpoint": "sasl.oauthbearer.token.endpoint.url",
    "oauth_client_id": "sasl.oauthbearer.client.id",
    "oauth_client_secret": "sasl.oauthbearer.client.secret",
    "oauth_scope": "sasl.oauthbearer.scope",
    "kerberos_principal": "sasl.kerberos.principal",
    "kerberos_keytab_file": "sasl.kerberos.keytab",
    "kerberos_service_name": "sasl.kerberos.service.name",
}
_FURTHER_NAMES: Final = {
    "sasl.mechanisms": "kafka.sasl_mechanism",
    "sasl.oauthbearer.method": "kafka.oauth_token_endpoint",
    "sasl.oauthbearer.config": "kafka.oauth_token_file",
    "enable.sasl.oauthbearer.unsecure.jwt": "kafka.oauth_token_file",
}
KAFKA_FILES: Final = ("tls_ca_file", "tls_certificate_file", "tls_key_file", "kerberos_keytab_file")
"""Settings that name files which the Kafka client reads when it is made, and never again."""
REDIS_FILES: Final = ("tls_ca_file", "tls_certificate_file", "tls_key_file")
"""Settings that name files which the Redis client reads for each connection."""


def options_with_settings() -> dict[str, str]:
    """Return the options of the Kafka client that have a setting, and its name."""
    names = {option: f"kafka.{setting}" for setting, option in _KAFKA_OPTION_OF.items()}
    return {**names, **_FURTHER_NAMES}


def kafka_options(kafka: KafkaSettings) -> Mapping[str, str]:
    """Return the options of the Kafka client that are set, secrets in clear and as they are now."""
    values = kafka.model_dump(include=set(_KAFKA_OPTION_OF), exclude_none=True)
    if kafka.sasl_mechanism != "GSSAPI":
        # It has a default, and is nothing to a client that has no use for it.
        del values["kerberos_service_name"]
    return MappingProxyType(
        {
            **kafka.extra,
            **{option: secret.get_secret_value() for option, secret in kafka.extra_files.items()},
            **{_KAFKA_OPTION_OF[name]: _in_clear(value) for name, value in values.items()},
            **({"sasl.oauthbearer.method": "oidc"} if kafka.oauth_token_endpoint else {}),
        }
    )


def secrets_among(options: Mapping[str, str]) -> frozenset[str]:
    """Return the values of these options of the Kafka client that are secret, or may be."""
    known = {option: KafkaSettings.model_fields[name] for name, option in _KAFKA_OPTION_OF.items()}
    return frozenset(
        value
        for option, value in options.items()
        if (
            SecretStr in get_args(known[option].annotation)
            if option in known
            else option not in HARMLESS_OPTIONS
        )
    )


def kafka_password(kafka: KafkaSettings) -> tuple[str, str] | None:
    """Return user and password as they are now, where these prove who this client is."""
    if kafka.sasl_username is None or kafka.sasl_password is None:
        return None
    return kafka.sasl_username, kafka.sasl_password.get_secret_value()


def redis_address(redis: RedisSettings) -> str:
    """Return the address without user and password."""
    parts = urlsplit(redis.url.get_secret_value())
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def redis_password(redis: RedisSettings) -> tuple[str | None, str] | None:
    """Return user and password as they are now: those of the settings, or of the address."""
    parts = urlsplit(redis.url.get_secret_value())
    user = redis.username or (unquote(parts.username) if parts.username else None)
    if redis.password is not None:
        return user, redis.password.get_secret_value()
    # A user without a password is one whom the server asks for none.
    return (user, unquote(parts.password or "")) if parts.password or user else None


def sentinel_password(redis: RedisSettings) -> tuple[str | None, str] | None:
    """Return user and password of the Sentinels as they are now."""
    if redis.sentinel_password is None:
        return None
    return redis.sentinel_username, redis.sentinel_password.get_secret_value()


def redis_tls_options(redis: RedisSettings) -> dict[str, Any]:
    """Return the options of the Redis client that say whom to trust, and who it is."""
    values = {
        "ssl_ca_certs": redis.tls_ca_file and str(redis.tls_ca_file),
        "ssl_certfile": redis.tls_certificate_file and str(redis.tls_certificate_file),
        "ssl_keyfile": redis.tls_key_file and str(redis.tls_key_file),
        "ssl_password": redis.tls_key_password and redis.tls_key_password.get_secret_value(),
    }
    return {name: value for name, value in values.items() if value is not None}


def _in_clear(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
