"""The sections of the settings; each text below a setting is its documentation."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from reservation_worker.settings.secret_files import secret_of_path

Milliseconds = Annotated[int, Field(ge=1, le=3_600_000)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Bytes = Annotated[int, Field(ge=1_024, le=1_073_741_824)]
Name = Annotated[str, Field(min_length=1, max_length=249, pattern=r"^[A-Za-z0-9._-]+$")]
"""What Kafka allows as the name of a topic; group ids are held to the same."""


SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "GSSAPI"]


class Section(BaseModel):
    """What all sections have in common."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )


class KafkaSettings(Section):
    """How to reach Kafka, and as whom."""

    bootstrap_servers: str = Field("localhost:9092", min_length=1)
    """Brokers to ask first: `host:port`, several separated by commas."""
    group_id: Name = "reservation-worker"
    """Consumer group of the apply loop; the owners of shards form the one with `-shards` behind."""
    event_source: Annotated[str, Field(pattern=r"^[!-~]{1,200}$")] | None = None
    """What published events name as their source (`ce_source`); unset: `/reservation-worker/` and
    the group. A shard is never rebuilt from records of another source unless it is asked for.
    """
    rebalancing: Literal["eager", "cooperative", "consumer"] = "cooperative"
    """How members share partitions; `consumer` is KIP-848 and needs brokers of 4.0 or newer."""
    session_timeout_ms: Milliseconds = 6_000
    """After so long without a heartbeat a worker counts as gone; brokers allow no less than their
    `group.min.session.timeout.ms`, 6 s by default.
    """
    max_poll_interval_ms: Milliseconds = 300_000
    """After so long without a poll a worker counts as stuck."""
    transaction_timeout_ms: Milliseconds = 15_000
    """The brokers abort a transaction that lasts longer."""
    metadata_refresh_interval_ms: Annotated[int, Field(ge=100, le=30_000)] = 30_000
    """So late at most is a partition that was added found; one of payments stops all expiry."""
    request_timeout_ms: Milliseconds = 10_000
    """Longest wait for an answer about offsets or metadata."""
    message_bytes_max: Bytes = 1_000_000
    """The largest record that the topics written accept (`max.message.bytes` of each)."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How connections are secured."""
    tls_ca_file: Path | None = None
    """Certificates of the authorities that are trusted; unset: those of the system."""
    tls_certificate_file: Path | None = None
    """This client's certificate, for mutual TLS."""
    tls_key_file: Path | None = None
    """The key of this client's certificate."""
    tls_key_password: SecretStr | None = None
    """What the key is encrypted with."""
    sasl_mechanism: SaslMechanism | None = None
    """How this client proves who it is: by user and password (the first three), by a token, or by
    Kerberos (the last one, which the client library must have been built with).
    """
    sasl_username: str | None = None
    """Who this client is."""
    sasl_password: SecretStr | None = None
    """What proves it."""
    oauth_token_endpoint: str | None = Field(None, pattern=r"^https?://[^\s@?#]+$")
    """Where a token is asked for with client id and secret (the grant `client_credentials`)."""
    oauth_client_id: str | None = None
    """Who asks there."""
    oauth_client_secret: SecretStr | None = None
    """What proves it."""
    oauth_scope: str | None = None
    """What the token shall be good for, where the endpoint wants to be told."""
    oauth_token_file: Path | None = None
    """A file that always holds a token that is good; it is read again for each new one."""
    kerberos_principal: str | None = None
    """Who this client is for Kerberos."""
    kerberos_keytab_file: Path | None = None
    """What proves it."""
    kerberos_service_name: str = Field("kafka", min_length=1)
    """What the brokers are called in Kerberos."""
    extra: dict[str, str] = Field(default_factory=dict, repr=False)
    """Options passed on to the client library, except those that the guarantees own. Values of
    those that may be secret are shown nowhere.
    """
    extra_files: dict[str, Annotated[SecretStr, BeforeValidator(secret_of_path)]] = Field(
        default_factory=dict
    )
    """Further options passed on, each with the file that holds its value."""


class RedisSettings(Section):
    """How to reach Redis, and how long to wait for it."""

    url: SecretStr = SecretStr("redis://localhost:6379/0")
    """`redis://host:port/database`, or `rediss://` for TLS. Secret, for it may hold a password."""
    topology: Literal["single", "cluster", "sentinel"] = "single"
    """One server; a cluster of which the address names any node; or the primary that Sentinels
    name, of which the address gives the database and whether there is TLS.
    """
    sentinels: str = Field("", pattern=r"^([^\s:,]+:[0-9]{1,5}(,[^\s:,]+:[0-9]{1,5})*)?$")
    """Sentinels to ask, with the topology `sentinel`: `host:port`, several separated by commas."""
    sentinel_primary: Name = "mymaster"
    """What the Sentinels call the primary."""
    sentinel_username: str | None = None
    """User of the Sentinels' own access control list."""
    sentinel_password: SecretStr | None = None
    """The Sentinels' password, which is not that of the primary."""
    sentinel_tls: bool = False
    """Whether the Sentinels speak TLS; `redis.tls_…` says whom to trust, and who this client is."""
    username: str | None = None
    """User of the access control list."""
    password: SecretStr | None = None
    """The user's password."""
    tls_ca_file: Path | None = None
    """Certificates of the authorities that are trusted; unset: those of the system."""
    tls_certificate_file: Path | None = None
    """This client's certificate, for mutual TLS."""
    tls_key_file: Path | None = None
    """The key of this client's certificate."""
    tls_key_password: SecretStr | None = None
    """What the key is encrypted with."""
    key_prefix: str = Field("", pattern=r"^[A-Za-z0-9._:-]{0,64}$")
    """Before the names of all keys: several deployments share a server by names of their own."""
    persistence_required: bool = True
    """Refuse a Redis without an append-only file; off: each restart of it is a rebuild."""
    timeout_ms: Milliseconds = 5_000
    """Longest wait for a connection, and for an answer."""
    attempts_max: Annotated[int, Field(ge=1, le=20)] = 3
    """How often a call is tried before the worker pauses."""
    outbox_steps_max: Count = 10_000
    """A shard refuses steps while so many wait to be published."""
    outbox_read_bytes_max: Bytes = 2_000_000
    """Bytes of steps that are read at once to be published, one step of each shard at least."""
    step_bytes_max: Bytes = 4_000_000
    """Bytes that one step publishes, one event more at most."""
    event_bytes_max: Bytes = 900_000
    """Bytes of one event; a fact that would publish a larger one is a dead letter."""


class TopicSettings(Section):
    """Names of the topics, and what `topics apply` creates."""

    order_completed: Name = "order-completed"
    """Read: a customer completed an order."""
    payment_approved: Name = "payment-approved"
    """Read: an order was paid."""
    order_invoiced: Name = "order-invoiced"
    """Read: units were handed to delivery."""
    order_canceled: Name = "order-canceled"
    """Read: units were given back."""
    inventory_updated: Name = "inventory-updated"
    """Read: a stock was counted."""
    reservation_changed: Name = "reservation-changed"
    """Written: each change of a reservation."""
    acknowledged_reservation: Name = "acknowledged-reservation"
    """Written: units that the ERP must take out of its stock."""
    stock_changed: Name = "stock-changed"
    """Written: a stock after a step."""
    dead_letter: Name = "reservation-dead-letter"
    """Written: inputs that could not be used."""
    shards: Name = "reservation-shards"
    """Internal: one partition per shard."""
    shards_total: Annotated[int, Field(ge=1, le=1_000)] = 16
    """Partitions of the internal topic and of the topics written; never to be changed later."""
    input_partitions: Annotated[int, Field(ge=1, le=1_000)] = 6
    """Partitions of each topic read, where `topics apply` creates it."""
    replication_factor: Annotated[int, Field(ge=1, le=9)] | None = None
    """Copies of each partition that `topics apply` creates; unset: the brokers' default."""
    input_retention_hours: Annotated[int, Field(ge=1, le=87_600)] = 168
    """How long `topics apply` lets the topics read keep records."""
    dead_letter_retention_hours: Annotated[int, Field(ge=1, le=87_600)] = 336
    """How long `topics apply` lets dead letters be kept."""
    look_interval_ms: Milliseconds = 5_000
    """Time between two looks at whether the topics are still as the guarantees need them."""


FactName = Literal[
    "order-completed",
    "payment-approved",
    "order-invoiced",
    "order-canceled",
    "inventory-updated",
]
"""What the records of a topic that is read state: the default name of the topic."""


class InputSettings(Section):
    """What is accepted as an input."""

    record_bytes_max: Bytes = 1_048_576
    """Larger records are dead letters."""
    clock_skew_seconds: Annotated[int, Field(ge=0, le=86_400)] = 600
    """A time further ahead of its record's own timestamp, or of now, makes the record a dead
    letter; now is the later of the worker's and Redis' clock.
    """
    longest_period_days: Annotated[int, Field(ge=1, le=3_650)] = 400
    """An order that would be held unpaid for longer, by its own word or by a due date, is a dead
    letter.
    """
    type_aliases: dict[str, FactName] = Field(default_factory=dict)
    """Further CloudEvents types, each with the fact that it states."""
    accounts_allowed: dict[
        FactName,
        Annotated[
            tuple[Annotated[str, Field(min_length=1, max_length=128)], ...], Field(min_length=1)
        ],
    ] = Field(default_factory=dict)
    """By topic (its default name) the accounts that its writers may speak for; events of others
    there are dead letters (`ACCOUNT_NOT_ALLOWED`). A topic that is not named carries all accounts.
    """


class ApplySettings(Section):
    """How much the apply loop holds at once, and how often it looks."""

    records_per_poll_max: Count = 2_000
    """Records taken from Kafka at once."""
    idle_poll_timeout_ms: Milliseconds = 100
    """How long a poll may wait while nothing is uncommitted."""
    busy_poll_timeout_ms: Milliseconds = 5
    """How long a poll may wait while facts or commits are outstanding."""
    linger_ms: Annotated[int, Field(ge=0, le=1_000)] = 4
    """How long a poll that brings something waits for more while nothing else is to be done."""
    facts_per_step_max: Annotated[int, Field(ge=1, le=1_000)] = 300
    """Facts in one step; Redis serves nobody else meanwhile: about 25 ms at 1,000."""
    lines_per_step_max: Annotated[int, Field(ge=1, le=10_000)] = 3_000
    """Order lines in one step."""
    uncommitted_records_max: Count = 50_000
    """Reading pauses at so many records whose offsets are not committed."""
    uncommitted_bytes_max: Bytes = 64 * 1024 * 1024
    """Reading pauses at so many bytes that are not applied, or wait as dead letters."""
    dead_letters_per_commit_max: Count = 500
    """Dead letters that one commit carries."""
    dead_letter_bytes_per_commit_max: Bytes = 16 * 1024 * 1024
    """Bytes of the records that one commit writes as dead letters."""
    commit_interval_ms: Milliseconds = 500
    """Time between two commits of offsets."""
    retry_interval_ms: Milliseconds = 100
    """Wait after a refused step or an outage."""


class PublishSettings(Section):
    """How much one transaction may carry, and how the owner of shards looks for work."""

    entries_per_shard_max: Annotated[int, Field(ge=1, le=1_000)] = 16
    """Steps of one shard that are read at once."""
    records_per_transaction_max: Count = 20_000
    """Events in one transaction, unless a single step has more."""
    bytes_per_transaction_max: Bytes = 16 * 1024 * 1024
    """Bytes in one transaction, unless a single step has more."""
    poll_interval_ms: Milliseconds = 5
    """Longest wait for something to publish."""
    retry_interval_ms: Milliseconds = 200
    """Wait after an outage before the next attempt."""
    retry_held_interval_ms: Milliseconds = 10_000
    """Wait before a shard that stopped is verified again."""
    fenced_in_a_row_max: Annotated[int, Field(ge=1, le=100)] = 5
    """So many fenced producers without one success mean: the worker slot is used twice."""


class ExpirySettings(Section):
    """When an unpaid reservation is given back."""

    grace_seconds: Annotated[int, Field(ge=0, le=86_400)] = 60
    """A payment made at the deadline has so long to reach its topic."""
    sample_interval_ms: Milliseconds = 1_000
    """Time between two looks at how far payments are known."""
    scan_interval_ms: Milliseconds = 200
    """Time between two looks for deadlines that have passed."""
    facts_per_look_max: Annotated[int, Field(ge=1, le=1_000)] = 200
    """Deadlines that one look states in all shards together; other traffic waits for them."""


class RetentionSettings(Section):
    """How long reservations stay in Redis after they have changed last."""

    enabled: bool = True
    """Off: nothing is ever removed, and Redis grows with every order."""
    over_seconds: Annotated[int, Field(ge=1, le=316_224_000)] = 30 * 24 * 60 * 60
    """Those that are settled, canceled, expired or denied; longer than any input is kept."""
    awaiting_seconds: Annotated[int, Field(ge=1, le=316_224_000)] = 30 * 24 * 60 * 60
    """Those whose order never came; longer than any input is kept."""
    scan_interval_ms: Milliseconds = 5_000
    """Time between two looks for what may leave."""
    facts_per_look_max: Annotated[int, Field(ge=1, le=1_000)] = 200
    """So many leave at one look, of all shards together; other traffic waits for them."""


class HttpSettings(Section):
    """Probes and metrics."""

    host: str = Field("127.0.0.1", min_length=1)
    """Address to listen on; the loopback unless told otherwise."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    """Port to listen on; 0: any free one, named in the log."""


class ProcessSettings(Section):
    """The life of one worker process."""

    drain_timeout_ms: Milliseconds = 20_000
    """From the first signal to the exit, finished or not."""
    loop_stalled_after_ms: Milliseconds = 120_000
    """A loop that has not turned for so long makes the process not live."""
    question_interval_ms: Milliseconds = 1_000
    """Time between two questions to Kafka and to Redis whether they are there."""
    silent_after_ms: Milliseconds = 5_000
    """A dependency that leaves such a question unanswered for so long is lost."""
    rejoin_timeout_ms: Milliseconds = 15_000
    """A loop that lost its group and stays outside while Kafka answers: then the process ends."""
    heartbeat_interval_ms: Milliseconds = 60_000
    """Time between two log lines that say what the worker did, and how it is."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Less important log lines are left out."""
