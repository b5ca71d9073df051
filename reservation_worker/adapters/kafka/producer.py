"""A transactional producer: one transaction at a time, and the order of error tests.

Fatal, then requires-abort, then retriable, else fatal. A fatal producer is never called again.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NoReturn, Self

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka import Message as ReadMessage

from reservation_worker.adapters.kafka.client_logs import ClientVoice
from reservation_worker.adapters.kafka.configuration import KafkaConfig, OptionValue
from reservation_worker.adapters.kafka.errors import (
    error_of,
    reason_of,
    says_fenced,
    says_membership_is_outdated,
    says_no_right,
    sentence_of,
)
from reservation_worker.adapters.kafka.watched import WatchedProducer
from reservation_worker.ports import (
    UNWATCHED,
    BrokerUnavailable,
    CallWatch,
    Clock,
    CommitFateUnknown,
    FatallyBroken,
    Membership,
    OwnershipLost,
)
from reservation_worker.telemetry.labels import LostReason
from reservation_worker.telemetry.log_events import PRODUCER_FENCED, PRODUCER_RECREATED

RETRY_PAUSE_SECONDS: Final = 0.01
QUEUE_FULL_PAUSE_SECONDS: Final = 0.05
HeaderList = list[tuple[str, str | bytes | None]]


Message = tuple[str, bytes | None, bytes | None, int, HeaderList]
"""One record to produce: topic, value, key, partition (or `records.ANY_PARTITION`), headers.

A plain tuple, because it is made for every event that is published.
"""


@dataclass(frozen=True, slots=True)
class ProducerTimeouts:
    """How long to try what may be tried again, and who watches the calls."""

    request_ms: int
    transaction_ms: int
    watch: CallWatch = UNWATCHED
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    """What its texts never repeat."""

    @classmethod
    def of(cls, config: KafkaConfig) -> Self:
        """Take them from what all clients are built from."""
        return cls(
            config.request_timeout_ms, config.transaction_timeout_ms, config.watch, config.secrets
        )


class _Aborted(Exception):
    """The open transaction must be aborted."""

    def __init__(self, error: KafkaError) -> None:
        super().__init__(error.str())
        self.error = error


class _GivenUp(Exception):
    """The producer is broken: it was dropped, and the transaction's fate with it."""

    def __init__(self, error: KafkaError) -> None:
        super().__init__(error.str())
        self.error = error


class TransactionalProducer:
    """Makes a client when it is needed, and another one when that one had to be given up."""

    def __init__(
        self, options: Mapping[str, OptionValue], timeouts: ProducerTimeouts, clock: Clock
    ) -> None:
        self._options = dict(options)
        self._timeouts = timeouts
        self._now_ms = clock.monotonic_ms
        self._voice = ClientVoice(options, timeouts.secrets)
        self._name = f"the transactional id {options['transactional.id']}"
        self._undelivered = ""
        """What the brokers said of a record that they did not take, and where it belonged."""
        self._undelivered_reason = LostReason.OTHER
        self._producer: Producer | None = None
        self._logger = structlog.get_logger()

    def prepare(self) -> None:
        """Have a client, with no transaction of an earlier one left open.

        Raises:
            BrokerUnavailable: Kafka does not answer.
            FatallyBroken: Kafka refuses this client.
        """
        if self._producer is None:
            self._producer = self._initialized(self._options)

    def end_of(self, transactional_id: str) -> None:
        """End what another producer has left open: for a moment this one has its name.

        Raises:
            BrokerUnavailable: Kafka does not answer.
            FatallyBroken: Kafka refuses this client.
        """
        self._initialized({**self._options, "transactional.id": transactional_id})

    def commit(
        self,
        messages: Iterable[Message],
        offsets: list[TopicPartition],
        membership: Membership,
        on_produced: Callable[[], None],
        on_offsets_sent: Callable[[], None],
    ) -> None:
        """Run one transaction to its end.

        Raises:
            BrokerUnavailable: it was aborted; trying again is safe.
            OwnershipLost: the membership is outdated; it was aborted.
            CommitFateUnknown: the client was given up, and nobody can tell.
            FatallyBroken: a message cannot be produced at all.
        """
        self.prepare()
        producer = self._producer
        assert producer is not None
        self._undelivered = ""
        try:
            self._call(producer.begin_transaction, self._timeouts.request_ms)
            try:
                self._fill(producer, messages, offsets, membership, on_produced)
                on_offsets_sent()
                self._call(producer.commit_transaction, self._timeouts.transaction_ms * 2)
            except _Aborted as aborted:
                self._abort(producer)
                if says_membership_is_outdated(aborted.error):
                    raise OwnershipLost(str(aborted)) from aborted
                raise self._explained(aborted.error) from aborted
        except _GivenUp as broken:
            fenced = says_fenced(broken.error)
            self._logger.warning(
                PRODUCER_FENCED if fenced else PRODUCER_RECREATED, reason=str(broken)
            )
            raise CommitFateUnknown(str(broken)) from broken

    def close(self) -> None:
        """Give the client up; an open transaction is aborted by the brokers in time."""
        self._producer = None

    def _fill(
        self,
        producer: Producer,
        messages: Iterable[Message],
        offsets: list[TopicPartition],
        membership: Membership,
        on_produced: Callable[[], None],
    ) -> None:
        deadline_ms = self._now_ms() + self._timeouts.transaction_ms
        self._produce_all(producer, messages, deadline_ms)
        on_produced()
        timeout_ms = self._timeouts.request_ms
        self._call(
            # Tried again with identical arguments, as the client demands.
            lambda: producer.send_offsets_to_transaction(
                offsets, membership.token, timeout_ms / 1000
            ),
            timeout_ms,
        )

    def _produce_all(
        self, producer: Producer, messages: Iterable[Message], deadline_ms: int
    ) -> None:
        produce = producer.produce
        for topic, value, key, partition, headers in messages:
            while True:
                try:
                    produce(topic, value, key, partition, headers=headers)
                except BufferError as full:
                    if self._now_ms() > deadline_ms:
                        raise _Aborted(KafkaError(KafkaError._QUEUE_FULL)) from full  # noqa: SLF001
                    producer.poll(QUEUE_FULL_PAUSE_SECONDS)
                except KafkaException as exception:
                    self._refuse(producer, topic, exception)
                else:
                    break

    def _refuse(self, producer: Producer, topic: str, exception: KafkaException) -> NoReturn:
        error = error_of(exception)
        if error.code() != KafkaError.MSG_SIZE_TOO_LARGE:
            self._raise(error)
        self._abort(producer)
        raise FatallyBroken(
            f"A record for {topic} is larger than the client may send: raise message.max.bytes "
            "of client and topic."
        ) from exception

    def _call(self, operation: Callable[[], None], timeout_ms: int) -> None:
        """Call the client until it answers anything but "try again", or the time is over."""
        deadline_ms = self._now_ms() + timeout_ms
        while True:
            try:
                operation()
            except KafkaException as exception:
                error = error_of(exception)
                if not self._may_try_again(error):
                    self._raise(error)
                if self._now_ms() > deadline_ms:
                    self._producer = None
                    raise _GivenUp(error) from exception
                assert self._producer is not None
                self._producer.poll(RETRY_PAUSE_SECONDS)
            else:
                return

    def _abort(self, producer: Producer) -> None:
        """End the transaction without effect; a client that cannot even do that is given up.

        Then the next one's `prepare` ends the transaction, or the brokers do: never a commit.
        """
        try:
            self._call(producer.abort_transaction, self._timeouts.transaction_ms)
        except (_Aborted, _GivenUp) as broken:
            self._producer = None
            self._logger.warning(PRODUCER_RECREATED, reason=str(broken))

    def _initialized(self, options: Mapping[str, OptionValue]) -> Producer:
        producer = WatchedProducer(
            {**options, **self._voice.options, "on_delivery": self._note_undelivered},
            self._timeouts.watch,
            self._timeouts.request_ms,
            self._timeouts.transaction_ms,
        )
        self._initialize(producer)
        return producer

    def _initialize(self, producer: Producer) -> None:
        deadline_ms = self._now_ms() + self._timeouts.request_ms
        while True:
            try:
                producer.init_transactions(self._timeouts.request_ms / 1000)
            except KafkaException as exception:
                error = error_of(exception)
                # A right may be granted while this process runs: the next client asks anew.
                if error.fatal() and not says_fenced(error) and not says_no_right(error):
                    raise FatallyBroken(
                        f"Kafka refuses transactions of {self._name}: {error.str()}"
                    ) from exception
                if not self._may_try_again(error) or self._now_ms() > deadline_ms:
                    raise self._voice.explained(
                        error, f"Beginning transactions of {self._name}", producer
                    ) from exception
                producer.poll(RETRY_PAUSE_SECONDS)
            else:
                return

    def _note_undelivered(self, error: KafkaError | None, message: ReadMessage) -> None:
        # Runs inside the client's calls, and must not raise.
        if error is not None and not self._undelivered:
            place = f"{message.topic()}-{message.partition()}"
            self._undelivered = f" ({place}: {sentence_of(error)})"
            self._undelivered_reason = reason_of(error)

    def _explained(self, error: KafkaError) -> BrokerUnavailable:
        """Return the outage that made a transaction end without effect."""
        explained = self._voice.explained(
            error, f"A transaction of {self._name} was aborted{self._undelivered}", self._producer
        )
        if self._undelivered and explained.reason is LostReason.OTHER:
            explained.reason = self._undelivered_reason
        return explained

    def _raise(self, error: KafkaError) -> NoReturn:
        if not error.fatal() and error.txn_requires_abort():
            raise _Aborted(error)
        self._producer = None
        raise _GivenUp(error)

    @staticmethod
    def _may_try_again(error: KafkaError) -> bool:
        return not error.fatal() and not error.txn_requires_abort() and error.retriable()
