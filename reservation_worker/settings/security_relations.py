"""What must hold between the settings that say whom to trust, and who this client is."""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from reservation_worker.settings.model import Settings
from reservation_worker.settings.sections import KafkaSettings, RedisSettings

_FLAG: Final = r"(?i:true|false|yes|no|1|0)"
ADDRESS_OPTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "db": r"\d{1,5}",
        "client_name": r"[\x21-\x7e]+",
        "health_check_interval": r"\d{1,5}",
        "socket_keepalive": _FLAG,
        "ssl_cert_reqs": r"none|optional|required",
        "ssl_check_hostname": _FLAG,
        "ssl_ciphers": r".+",
    }
)
"""What may stand behind the `?` of `redis.url`, and the values each may have; the client would take
anything for the name of an argument, and end in the midst of connecting.
"""
_NO_ADDRESS: Final = (
    "redis.url (RESERVATION_REDIS__URL): is not an address such as redis://host:6379/0"
)
_PROOFS: Final = ("sasl_", "oauth_", "kerberos_")
_NEEDED_BY: Final = MappingProxyType(
    {
        "PLAIN": ("sasl_username", "sasl_password"),
        "SCRAM-SHA-256": ("sasl_username", "sasl_password"),
        "SCRAM-SHA-512": ("sasl_username", "sasl_password"),
        "OAUTHBEARER": ("oauth_token_endpoint", "oauth_client_id", "oauth_client_secret"),
        "GSSAPI": ("kerberos_principal", "kerberos_keytab_file"),
    }
)


def broken_security_relations(settings: Settings) -> Iterator[str]:
    """Describe every relation that does not hold; values are never shown, for some are secret."""
    yield from _kafka_tls(settings.kafka)
    yield from _kafka_identity(settings.kafka)
    yield from _kafka_extra(settings.kafka)
    yield from _redis_address(settings.redis)
    yield from _redis_sentinels(settings.redis)


def _kafka_tls(kafka: KafkaSettings) -> Iterator[str]:
    tls = kafka.security_protocol in {"SSL", "SASL_SSL"}
    if not tls and (kafka.tls_ca_file or kafka.tls_certificate_file or kafka.tls_key_file):
        yield (
            f"kafka.tls_… is set, but kafka.security_protocol is {kafka.security_protocol}: "
            "the connection would not be encrypted; SSL or SASL_SSL uses it"
        )
    if (kafka.tls_certificate_file is None) != (kafka.tls_key_file is None):
        yield (
            "kafka.tls_certificate_file and kafka.tls_key_file go together: "
            "a certificate without its key proves nothing"
        )
    if kafka.tls_key_password is not None and kafka.tls_key_file is None:
        yield "kafka.tls_key_password is set without kafka.tls_key_file: there is no key to decrypt"


def _kafka_identity(kafka: KafkaSettings) -> Iterator[str]:
    sasl = kafka.security_protocol.startswith("SASL_")
    given = _given_proofs(kafka)
    if not sasl:
        if given:
            yield (
                f"kafka.{min(given)} is set, but kafka.security_protocol is "
                f"{kafka.security_protocol}: "
                "nobody would be asked for it; SASL_SSL or SASL_PLAINTEXT uses it"
            )
        return
    mechanism = kafka.sasl_mechanism
    if mechanism is None:
        yield (
            f"kafka.security_protocol {kafka.security_protocol} needs kafka.sasl_mechanism, and "
            "what it goes by: the brokers ask for them"
        )
        return
    needed: tuple[str, ...] = _NEEDED_BY[mechanism]
    used = {*needed, "sasl_mechanism", "oauth_scope"} if mechanism == "OAUTHBEARER" else set(needed)
    if mechanism == "OAUTHBEARER" and kafka.oauth_token_file is not None:
        needed, used = (), {"oauth_token_file"}
    missing = [f"kafka.{name}" for name in needed if name not in given]
    if missing:
        instead = " (or kafka.oauth_token_file)" if mechanism == "OAUTHBEARER" else ""
        yield (
            f"kafka.sasl_mechanism {mechanism} needs {' and '.join(missing)}{instead}: "
            "the brokers ask for them"
        )
    unused = sorted(given - used - {"sasl_mechanism"})
    if unused:
        yield (
            f"kafka.{unused[0]} is set, but kafka.sasl_mechanism is {mechanism}: "
            f"nobody would be asked for it; {_who_uses(unused[0], mechanism)}"
        )


def _given_proofs(kafka: KafkaSettings) -> set[str]:
    return {
        name
        for name, field in type(kafka).model_fields.items()
        if name.startswith(_PROOFS) and getattr(kafka, name) != field.default
    }


def _who_uses(setting: str, mechanism: str) -> str:
    if setting.startswith("oauth_") and mechanism == "OAUTHBEARER":
        return "a token comes from kafka.oauth_token_file or from an endpoint, not from both"
    if setting.startswith("oauth_"):
        return "OAUTHBEARER uses it"
    return "GSSAPI uses it" if setting.startswith("kerberos_") else "PLAIN and SCRAM use it"


def _kafka_extra(kafka: KafkaSettings) -> Iterator[str]:
    for option in sorted(kafka.extra.keys() & kafka.extra_files.keys()):
        yield (
            f"kafka.extra and kafka.extra_files both set {option}: only one of them can be meant"
        )


def _redis_address(redis: RedisSettings) -> Iterator[str]:
    try:
        parts = urlsplit(redis.url.get_secret_value())
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        yield _NO_ADDRESS
        return
    is_path = re.fullmatch(r"/?|/\d{1,5}", parts.path) is not None
    if (
        *(parts.scheme not in {"redis", "rediss"}, not parts.hostname),
        *(not port_is_valid, not is_path, bool(parts.fragment)),
    ) != (False,) * 5:
        yield _NO_ADDRESS
        return
    yield from _address_options(parts.query, is_tls=parts.scheme == "rediss")
    if redis.password is not None and parts.password:
        yield "redis.password is set, and redis.url holds one too: only one of them can be meant"
    if redis.username is not None and parts.username:
        yield "redis.username is set, and redis.url holds one too: only one of them can be meant"
    has_tls_files = redis.tls_ca_file or redis.tls_certificate_file or redis.tls_key_file
    if parts.scheme != "rediss" and not redis.sentinel_tls and has_tls_files:
        yield (
            "redis.tls_… is set, but redis.url does not begin with rediss://: "
            "the connection would not be encrypted"
        )
    if (redis.tls_certificate_file is None) != (redis.tls_key_file is None):
        yield (
            "redis.tls_certificate_file and redis.tls_key_file go together: "
            "a certificate without its key proves nothing"
        )
    if redis.tls_key_password is not None and redis.tls_key_file is None:
        yield "redis.tls_key_password is set without redis.tls_key_file: there is no key to decrypt"
    if redis.topology == "cluster" and parts.path not in {"", "/", "/0"}:
        yield (
            "redis.url names a database, but redis.topology is cluster: "
            "a cluster has the database 0 and no other one"
        )


def _address_options(query: str, *, is_tls: bool) -> Iterator[str]:
    for name, value in parse_qsl(query, keep_blank_values=True):
        allowed = ADDRESS_OPTIONS.get(name)
        if allowed is None:
            known = ", ".join(ADDRESS_OPTIONS)
            # What stands there may be a password that was not escaped.
            yield (
                "redis.url (RESERVATION_REDIS__URL): has an option behind its `?` that there is "
                f"not; there are {known}"
            )
        elif name.startswith("ssl_") and not is_tls:
            yield f"redis.url has {name}, but does not begin with rediss://: nothing would use it"
        elif re.fullmatch(allowed, value) is None:
            yield f"redis.url (RESERVATION_REDIS__URL): {name} cannot have the value that it has"


def _redis_sentinels(redis: RedisSettings) -> Iterator[str]:
    if (redis.topology == "sentinel") != bool(redis.sentinels):
        yield (
            "redis.sentinels and the topology `sentinel` (redis.topology) belong together: set "
            "both or neither"
        )
    given = redis.sentinel_username or redis.sentinel_password or redis.sentinel_tls
    if redis.topology != "sentinel" and given:
        yield (
            f"redis.sentinel_… is set, but redis.topology is {redis.topology}: "
            "no Sentinel would be asked"
        )
    if redis.sentinel_username is not None and redis.sentinel_password is None:
        yield (
            "redis.sentinel_username is set without redis.sentinel_password: "
            "a name alone proves nothing"
        )
