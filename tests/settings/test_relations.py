"""What must hold between settings."""

from typing import Any

import pytest

from reservation_worker.settings.loading import SettingsInvalid, load_settings

BROKEN = {
    "redis-waits-longer-than-the-group": (
        {
            "redis": {"timeout_ms": 10_000, "attempts_max": 3},
            "kafka": {"max_poll_interval_ms": 30_000, "session_timeout_ms": 30_000},
            "process": {"rejoin_timeout_ms": 60_000},
        },
        "a worker that waits for Redis longer is put out of its group",
    ),
    "redis-waits-longer-than-the-watchdog": (
        {"redis": {"timeout_ms": 40_000, "attempts_max": 3}},
        "a slow Redis must not get a worker restarted",
    ),
    "kafka-waits-longer-than-the-watchdog": (
        {"kafka": {"request_timeout_ms": 120_000}},
        "a slow Kafka must not get a worker restarted",
    ),
    "sentinels-nobody-asks": (
        {"redis": {"sentinels": "one:26379,two:26379"}},
        "set both or neither",
    ),
    "no-sentinels-to-ask": (
        {"redis": {"topology": "sentinel"}},
        "set both or neither",
    ),
    "session-outlives-the-poll-interval": (
        {
            "kafka": {"session_timeout_ms": 60_000, "max_poll_interval_ms": 50_000},
            "process": {"rejoin_timeout_ms": 120_000},
        },
        "the client library refuses it",
    ),
    "transactions-block-readers-for-long": (
        {"kafka": {"transaction_timeout_ms": 15_001}},
        "so long may a lost worker's transaction hold back readers and its successor",
    ),
    "drain-ends-before-a-transaction-does": (
        {"process": {"drain_timeout_ms": 14_999}},
        "a drain must be able to wait for the last transaction",
    ),
    "a-member-is-given-up-while-its-group-waits-for-a-dead-one": (
        {"process": {"rejoin_timeout_ms": 11_999}},
        "so long may a group wait for members that are dead",
    ),
    "largest-order-does-not-fit-a-step": (
        {"apply": {"lines_per_step_max": 499}},
        "the largest order must fit into a step",
    ),
    "an-account-holds-for-longer-than-anything-may-be-held": (
        {
            "input": {"longest_period_days": 30},
            "accounts": {"acme": {"payment_method_period_seconds": {"credit": 30 * 86_400 + 1}}},
        },
        "every order that it decides would be a dead letter",
    ),
    "one-poll-fills-the-worker": (
        {"apply": {"records_per_poll_max": 101, "uncommitted_records_max": 100}},
        "reading would pause after every poll",
    ),
    "one-record-fills-the-worker": (
        {"apply": {"uncommitted_bytes_max": 1_000_000}},
        "reading would pause at a single record",
    ),
    "one-record-does-not-fit-a-commit": (
        {"apply": {"dead_letter_bytes_per_commit_max": 1_000_000}},
        "a commit holds its largest dead letter",
    ),
    "events-do-not-fit-a-record": (
        {"redis": {"event_bytes_max": 995_000}},
        "what a step publishes must be accepted, for it cannot be taken back",
    ),
    "event-does-not-fit-a-step": (
        {"redis": {"step_bytes_max": 800_000}},
        "a step holds its largest event",
    ),
    "step-does-not-fit-a-transaction": (
        {"publish": {"bytes_per_transaction_max": 3_000_000}},
        "a step is published in one transaction",
    ),
    "kafka-tls-that-is-not-used": (
        {"kafka": {"tls_ca_file": "ca.pem"}},
        "the connection would not be encrypted; SSL or SASL_SSL uses it",
    ),
    "kafka-certificate-without-key": (
        {"kafka": {"security_protocol": "SSL", "tls_certificate_file": "client.pem"}},
        "a certificate without its key proves nothing",
    ),
    "sasl-without-credentials": (
        {"kafka": {"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN"}},
        "the brokers ask for them",
    ),
    "sasl-without-mechanism": (
        {"kafka": {"security_protocol": "SASL_SSL"}},
        "the brokers ask for them",
    ),
    "token-from-nowhere": (
        {"kafka": {"security_protocol": "SASL_SSL", "sasl_mechanism": "OAUTHBEARER"}},
        "the brokers ask for them",
    ),
    "token-without-a-secret": (
        {
            "kafka": {
                "security_protocol": "SASL_SSL",
                "sasl_mechanism": "OAUTHBEARER",
                "oauth_token_endpoint": "https://localhost/token",
                "oauth_client_id": "worker",
            }
        },
        "the brokers ask for them",
    ),
    "token-from-two-places": (
        {
            "kafka": {
                "security_protocol": "SASL_SSL",
                "sasl_mechanism": "OAUTHBEARER",
                "oauth_token_file": "token",
                "oauth_scope": "orders",
            }
        },
        (
            "nobody would be asked for it; a token comes from kafka.oauth_token_file or from an "
            "endpoint, not from both"
        ),
    ),
    "kerberos-without-a-keytab": (
        {
            "kafka": {
                "security_protocol": "SASL_SSL",
                "sasl_mechanism": "GSSAPI",
                "kerberos_principal": "worker@SHOP",
            }
        },
        "the brokers ask for them",
    ),
    "password-of-another-mechanism": (
        {
            "kafka": {
                "security_protocol": "SASL_SSL",
                "sasl_mechanism": "OAUTHBEARER",
                "oauth_token_file": "token",
                "sasl_password": "one",
            }
        },
        "nobody would be asked for it; PLAIN and SCRAM use it",
    ),
    "sasl-that-is-not-used": (
        {"kafka": {"security_protocol": "SSL", "sasl_username": "worker"}},
        "nobody would be asked for it; SASL_SSL or SASL_PLAINTEXT uses it",
    ),
    "kafka-password-without-a-key": (
        {"kafka": {"security_protocol": "SSL", "tls_key_password": "one"}},
        "there is no key to decrypt",
    ),
    "option-in-two-places": (
        {"kafka": {"extra": {"ssl.key.pem": "x"}, "extra_files": {"ssl.key.pem": __file__}}},
        "only one of them can be meant",
    ),
    "redis-address-that-is-none": (
        {"redis": {"url": "localhost:6379"}},
        "is not an address such as redis://host:6379/0",
    ),
    "redis-database-that-is-none": (
        {"redis": {"url": "redis://localhost/shop"}},
        "is not an address such as redis://host:6379/0",
    ),
    "redis-option-that-there-is-not": (
        {"redis": {"url": "redis://localhost?nonsense=1"}},
        (
            "has an option behind its `?` that there is not; there are db, client_name, "
            "health_check_interval, socket_keepalive, ssl_cert_reqs, ssl_check_hostname, "
            "ssl_ciphers"
        ),
    ),
    "redis-option-of-tls-without-tls": (
        {"redis": {"url": "redis://localhost?ssl_check_hostname=no"}},
        "nothing would use it",
    ),
    "redis-option-with-a-wrong-value": (
        {"redis": {"url": "rediss://localhost?ssl_cert_reqs=perhaps"}},
        "ssl_cert_reqs cannot have the value that it has",
    ),
    "redis-cluster-with-a-database": (
        {"redis": {"url": "redis://localhost/1", "topology": "cluster"}},
        "a cluster has the database 0 and no other one",
    ),
    "sentinel-password-without-sentinels": (
        {"redis": {"sentinel_password": "one"}},
        "no Sentinel would be asked",
    ),
    "sentinel-user-without-a-password": (
        {
            "redis": {
                "topology": "sentinel",
                "sentinels": "one:26379",
                "sentinel_username": "worker",
            }
        },
        "a name alone proves nothing",
    ),
    "redis-password-without-a-key": (
        {"redis": {"url": "rediss://localhost", "tls_key_password": "one"}},
        "there is no key to decrypt",
    ),
    "redis-password-twice": (
        {"redis": {"url": "redis://:one@localhost", "password": "two"}},
        "only one of them can be meant",
    ),
    "redis-tls-that-is-not-used": (
        {"redis": {"tls_ca_file": "ca.pem"}},
        "the connection would not be encrypted",
    ),
    "redis-certificate-without-key": (
        {"redis": {"url": "rediss://localhost", "tls_certificate_file": "client.pem"}},
        "a certificate without its key proves nothing",
    ),
    "one-topic-for-two-events": (
        {"topics": {"stock_changed": "order-completed"}},
        "a topic carries one kind of event",
    ),
}


@pytest.mark.parametrize(("overrides", "reason"), BROKEN.values(), ids=list(BROKEN))
def test_settings_that_contradict_each_other_are_refused_with_the_reason(
    overrides: dict[str, Any], reason: str
) -> None:
    """Each limit alone is in its bounds: together they break something, later and elsewhere."""
    with pytest.raises(SettingsInvalid) as caught:
        load_settings(None, overrides)
    assert [reason] == [problem.rpartition(": ")[2] for problem in caught.value.problems]
