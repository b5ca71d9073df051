"""What must hold between settings, each with its reason."""

from collections.abc import Iterator

from reservation_worker.domain.facts import ORDER_LINES_MAX
from reservation_worker.settings.model import Settings
from reservation_worker.settings.security_relations import broken_security_relations

TRANSACTION_TIMEOUT_MS_MAX = 15_000
DAY_SECONDS = 24 * 60 * 60
RECORD_OVERHEAD_BYTES = 8_192
"""More than the key and the headers of an event, and Kafka's framing, take."""


def broken_relations(settings: Settings) -> tuple[str, ...]:
    """Describe every relation that does not hold."""
    return (
        *_waiting(settings),
        *_sizes(settings),
        *broken_security_relations(settings),
        *_topic_names(settings),
        *_periods(settings),
    )


def _waiting(settings: Settings) -> Iterator[str]:
    kafka, process = settings.kafka, settings.process
    redis_wait_ms = settings.redis.timeout_ms * settings.redis.attempts_max
    if redis_wait_ms >= kafka.max_poll_interval_ms:
        yield (
            f"redis.timeout_ms * redis.attempts_max ({redis_wait_ms}) must be less than "
            f"kafka.max_poll_interval_ms ({kafka.max_poll_interval_ms}): "
            "a worker that waits for Redis longer is put out of its group"
        )
    if redis_wait_ms >= process.loop_stalled_after_ms:
        yield (
            f"redis.timeout_ms * redis.attempts_max ({redis_wait_ms}) must be less than "
            f"process.loop_stalled_after_ms ({process.loop_stalled_after_ms}): "
            "a slow Redis must not get a worker restarted"
        )
    if kafka.request_timeout_ms >= process.loop_stalled_after_ms:
        yield (
            f"kafka.request_timeout_ms ({kafka.request_timeout_ms}) must be less than "
            f"process.loop_stalled_after_ms ({process.loop_stalled_after_ms}): "
            "a slow Kafka must not get a worker restarted"
        )
    if process.rejoin_timeout_ms < 2 * kafka.session_timeout_ms:
        yield (
            f"process.rejoin_timeout_ms ({process.rejoin_timeout_ms}) must not be less than twice "
            f"kafka.session_timeout_ms ({kafka.session_timeout_ms}): "
            "so long may a group wait for members that are dead"
        )
    if kafka.session_timeout_ms > kafka.max_poll_interval_ms:
        yield (
            f"kafka.session_timeout_ms ({kafka.session_timeout_ms}) must not exceed "
            f"kafka.max_poll_interval_ms ({kafka.max_poll_interval_ms}): "
            "the client library refuses it"
        )
    if kafka.transaction_timeout_ms > TRANSACTION_TIMEOUT_MS_MAX:
        yield (
            f"kafka.transaction_timeout_ms ({kafka.transaction_timeout_ms}) must not exceed "
            f"{TRANSACTION_TIMEOUT_MS_MAX}: so long may a lost worker's transaction hold back "
            "readers and its successor"
        )
    if process.drain_timeout_ms < kafka.transaction_timeout_ms:
        yield (
            f"process.drain_timeout_ms ({process.drain_timeout_ms}) must not be less than "
            f"kafka.transaction_timeout_ms ({kafka.transaction_timeout_ms}): "
            "a drain must be able to wait for the last transaction"
        )


def _sizes(settings: Settings) -> Iterator[str]:
    apply, publish, received = settings.apply, settings.publish, settings.input
    redis = settings.redis
    if apply.lines_per_step_max < ORDER_LINES_MAX:
        yield (
            f"apply.lines_per_step_max ({apply.lines_per_step_max}) must be at least "
            f"{ORDER_LINES_MAX}: the largest order must fit into a step"
        )
    if apply.records_per_poll_max > apply.uncommitted_records_max:
        yield (
            f"apply.records_per_poll_max ({apply.records_per_poll_max}) must not exceed "
            f"apply.uncommitted_records_max ({apply.uncommitted_records_max}): "
            "reading would pause after every poll"
        )
    if received.record_bytes_max > apply.uncommitted_bytes_max:
        yield (
            f"input.record_bytes_max ({received.record_bytes_max}) must not exceed "
            f"apply.uncommitted_bytes_max ({apply.uncommitted_bytes_max}): "
            "reading would pause at a single record"
        )
    if received.record_bytes_max > apply.dead_letter_bytes_per_commit_max:
        yield (
            f"input.record_bytes_max ({received.record_bytes_max}) must not exceed "
            "apply.dead_letter_bytes_per_commit_max "
            f"({apply.dead_letter_bytes_per_commit_max}): a commit holds its largest dead letter"
        )
    if redis.event_bytes_max + RECORD_OVERHEAD_BYTES > settings.kafka.message_bytes_max:
        yield (
            f"redis.event_bytes_max ({redis.event_bytes_max}) must be {RECORD_OVERHEAD_BYTES} "
            f"less than kafka.message_bytes_max ({settings.kafka.message_bytes_max}): "
            "what a step publishes must be accepted, for it cannot be taken back"
        )
    if redis.event_bytes_max > redis.step_bytes_max:
        yield (
            f"redis.event_bytes_max ({redis.event_bytes_max}) must not exceed "
            f"redis.step_bytes_max ({redis.step_bytes_max}): a step holds its largest event"
        )
    if redis.step_bytes_max > publish.bytes_per_transaction_max:
        yield (
            f"redis.step_bytes_max ({redis.step_bytes_max}) must not exceed "
            f"publish.bytes_per_transaction_max ({publish.bytes_per_transaction_max}): "
            "a step is published in one transaction"
        )


def _periods(settings: Settings) -> Iterator[str]:
    longest_days = settings.input.longest_period_days
    sections = {"account_defaults": settings.account_defaults}
    sections |= {f"accounts.{name}": settings.account(name) for name in settings.accounts}
    for section, account in sections.items():
        periods = {
            "default_period_seconds": account.default_period_seconds,
            "incomplete_period_days": account.incomplete_period_days * DAY_SECONDS,
        }
        periods |= {
            f"payment_method_period_seconds.{method}": period_seconds
            for method, period_seconds in account.payment_method_period_seconds.items()
        }
        for name, period_seconds in periods.items():
            if period_seconds > longest_days * DAY_SECONDS:
                yield (
                    f"{section}.{name} is longer than input.longest_period_days ({longest_days}): "
                    "every order that it decides would be a dead letter"
                )


def _topic_names(settings: Settings) -> Iterator[str]:
    topics = settings.topics
    seen: dict[str, str] = {}
    for setting, name in topics.model_dump(include=set(TOPIC_SETTINGS)).items():
        if name in seen:
            yield (
                f"topics.{setting} and topics.{seen[name]} are both {name}: "
                "a topic carries one kind of event"
            )
        seen[name] = setting


TOPIC_SETTINGS = (
    "order_completed",
    "payment_approved",
    "order_invoiced",
    "order_canceled",
    "inventory_updated",
    "reservation_changed",
    "acknowledged_reservation",
    "stock_changed",
    "dead_letter",
    "shards",
)
