"""Run the application until SIGTERM."""

import time
from collections.abc import Callable, Sequence
from functools import reduce

from quixstreams import Application, State, message_context

from reservation_worker.contracts.dead_letters import DeadLetterLimits, dead_letter
from reservation_worker.contracts.encode import encode_step
from reservation_worker.contracts.records import Record, Rejection, rejection_of
from reservation_worker.domain.facts import Fact
from tests.benchmarks.peers.given import INPUT_PARTITIONS, SHARDS_TOTAL, Given
from tests.benchmarks.peers.quix_streams.ledger_state import AccountLedger

COMMIT_INTERVAL_SECONDS = 1.0
"""The framework's own 5 s would be the latency of every change."""
POLL_TIMEOUT_SECONDS = 0.1
"""The client waits so long for a full buffer of 10,000 messages: the framework's own 1 s would be
most of the time of a short backlog.
"""
RECORD_BYTES_MAX = 1_000_000
Header = tuple[str, bytes | None]


def application(given: Given) -> Application:
    """Return the application with its one dataframe."""
    app = Application(
        broker_address=given.bootstrap_servers,
        consumer_group=given.group_id,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_interval=COMMIT_INTERVAL_SECONDS,
        consumer_poll_timeout=POLL_TIMEOUT_SECONDS,
        consumer_extra_config={"session.timeout.ms": given.session_timeout_ms},
        # What a killed process leaves open blocks all readers for so long; Kafka Streams has 10 s.
        producer_extra_config={"transaction.timeout.ms": 10_000},
        state_dir=given.state_directory,
        loglevel="WARNING",
    )
    topics = [
        app.topic(name, key_deserializer="str", value_deserializer="bytes")
        for name in given.input_topics
    ]
    frames = [app.dataframe(topic) for topic in topics]
    whole = reduce(lambda one, other: one.concat(other), frames)
    whole.update(_handler(app, given), stateful=True, metadata=True)
    return app


def _handler(app: Application, given: Given) -> Callable[..., None]:
    decoder = given.decoder()
    limits = DeadLetterLimits(given.group_id, RECORD_BYTES_MAX)

    def handle(
        value: bytes, key: str, timestamp_ms: int, headers: Sequence[Header] | None, state: State
    ) -> None:
        context = message_context()
        record = Record(
            *(context.topic, context.partition, context.offset, timestamp_ms),
            *(key.encode(), value, tuple(headers or ())),
        )
        stated = decoder.decode(record, timestamp_ms)
        if isinstance(stated, Rejection):
            reject(record, stated)
            return
        ledger = AccountLedger(state, stated.account, SHARDS_TOTAL)
        waiting: list[Fact] = [stated]
        while waiting:
            outcome, number, events = ledger.step(waiting.pop(0))
            waiting += outcome.settlements
            for one in encode_step(ledger.shard, number, events):
                produce(one.topic.value, one.key, one.value, list(one.headers), one.partition)
            rejection = rejection_of(outcome.kind)
            if rejection is not None:
                reject(record, rejection)

    def reject(record: Record, rejection: Rejection) -> None:
        letter = dead_letter(record, rejection, limits, time.time_ns() // 1_000_000)
        produce("reservation-dead-letter", letter.key, letter.value, list(letter.headers), None)

    def produce(
        name: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[Header],
        partition: int | None,
    ) -> None:
        # The transactional producer; ``get_producer`` gives another one, outside the transaction.
        producer = app._processing_context.producer  # noqa: SLF001 -- see the package's docstring
        producer.produce(given.topic(name), value, key, headers, partition)

    return handle


def main() -> None:
    """Run until SIGTERM."""
    assert SHARDS_TOTAL % INPUT_PARTITIONS == 0, "a shard's accounts share an input partition"
    application(Given.from_environment()).run()


if __name__ == "__main__":
    main()
