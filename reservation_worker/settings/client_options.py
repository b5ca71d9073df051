"""What the clients' own options are called that settings stand for."""

from typing import Any, Final

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
}


def options_with_settings() -> dict[str, str]:
    """Return the options of the Kafka client that have a setting, and its name."""
    names = {option: f"kafka.{setting}" for setting, option in _KAFKA_OPTION_OF.items()}
    return {**names, "sasl.mechanisms": "kafka.sasl_mechanism"}


def kafka_security_options(kafka: KafkaSettings) -> dict[str, str]:
    """Return the options of the Kafka client that are set, secrets in clear."""
    values = {
        "message_bytes_max": kafka.message_bytes_max,
        "security_protocol": kafka.security_protocol,
        "tls_ca_file": kafka.tls_ca_file,
        "tls_certificate_file": kafka.tls_certificate_file,
        "tls_key_file": kafka.tls_key_file,
        "tls_key_password": kafka.tls_key_password and kafka.tls_key_password.get_secret_value(),
        "sasl_mechanism": kafka.sasl_mechanism,
        "sasl_username": kafka.sasl_username,
        "sasl_password": kafka.sasl_password and kafka.sasl_password.get_secret_value(),
    }
    return {
        _KAFKA_OPTION_OF[name]: str(value) for name, value in values.items() if value is not None
    }


def redis_security_options(redis: RedisSettings) -> dict[str, Any]:
    """Return the options of the Redis client that are set, secrets in clear."""
    values = {
        "username": redis.username,
        "password": redis.password and redis.password.get_secret_value(),
        "ssl_ca_certs": redis.tls_ca_file and str(redis.tls_ca_file),
        "ssl_certfile": redis.tls_certificate_file and str(redis.tls_certificate_file),
        "ssl_keyfile": redis.tls_key_file and str(redis.tls_key_file),
    }
    return {name: value for name, value in values.items() if value is not None}
