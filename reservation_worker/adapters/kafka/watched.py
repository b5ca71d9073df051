"""The clients, each blocking call of which is watched.

`send_offsets_to_transaction` did not come back after a broker had been frozen, whatever its own
time-out (confluentinc/librdkafka#5456). Nobody knows which call is the next one: all are watched.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar, cast

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from reservation_worker.adapters.kafka.configuration import KafkaConfig, OptionValue
from reservation_worker.adapters.kafka.errors import error_of, reason_of
from reservation_worker.ports import BrokerUnavailable, CallWatch
from reservation_worker.telemetry.labels import LostReason

Method = TypeVar("Method", bound=Callable[..., Any])
Options = Mapping[str, OptionValue | Callable[..., None]]

REQUEST: Final = "_request_ms"
COMMIT: Final = "_commit_ms"
"""A commit takes no time-out: the client itself tries it three times."""
COMMIT_TRIES: Final = 3
LEAVE_POLLS_MAX: Final = 20
LEAVE_POLL_SECONDS: Final = 0.05
"""The client takes the partitions back and says goodbye within few of these."""
TRANSACTION: Final = "_transaction_ms"
"""The end of a transaction waits as long as the transaction may last."""


def _watched(method: Method, bound: str = REQUEST) -> Method:
    """Wrap a method of a client's class; `bound` names the attribute with the bound of its time."""

    @functools.wraps(method)
    def _call(self: "Watched", *arguments: object, **options: object) -> object:
        with self._watch.call(method.__qualname__, getattr(self, bound)):
            return method(self, *arguments, **options)

    return cast("Method", _call)


def _answered(method: Method) -> Method:
    """Wrap a method that answers by futures: they are waited for before it returns."""

    @functools.wraps(method)
    def _call(self: "WatchedAdmin", *arguments: object, **options: object) -> object:
        with self._watch.call(method.__qualname__, self._request_ms):
            answers: dict[object, Future[object]] = method(self, *arguments, **options)
            wait(answers.values())
        return answers

    return cast("Method", _call)


@contextmanager
def _being_made() -> Iterator[None]:
    """Make a client in this block.

    Raises:
        BrokerUnavailable: no token could be had, which the library waits for.
    """
    try:
        yield
    except KafkaException as exception:
        error = error_of(exception)
        reason = reason_of(error)
        told = "no token that is still good: look after what kafka.oauth_… names"
        why = told if reason is LostReason.AUTHENTICATION else error.str()
        raise BrokerUnavailable(f"A client cannot be made: {why}", reason) from None


class WatchedConsumer(Consumer):
    """A consumer; callbacks run within its polls, and ask the brokers once at most."""

    def __init__(self, options: Options, config: KafkaConfig) -> None:
        with _being_made():
            super().__init__(dict(options))
        self._watch: CallWatch = config.watch
        self._request_ms = config.request_timeout_ms
        self._commit_ms = COMMIT_TRIES * config.request_timeout_ms

    poll = _watched(Consumer.poll)
    consume = _watched(Consumer.consume)
    commit = _watched(Consumer.commit, COMMIT)
    committed = _watched(Consumer.committed)
    list_topics = _watched(Consumer.list_topics)
    seek = _watched(Consumer.seek)
    memberid = _watched(Consumer.memberid)
    consumer_group_metadata = _watched(Consumer.consumer_group_metadata)
    close = _watched(Consumer.close)

    def leave(self) -> None:
        """Leave the group for good, and close.

        A member with a name of its own that only closes is waited for until its session ends: it
        might come back. Giving the subscription up says that it will not.
        """
        # One that is broken, or closed by now, cannot say goodbye any more.
        with suppress(KafkaException, RuntimeError):
            self.unsubscribe()
            for _ in range(LEAVE_POLLS_MAX):
                self.poll(LEAVE_POLL_SECONDS)
                if not self.assignment():
                    break
        self.close()


class WatchedProducer(Producer):
    """A producer; producing itself never waits, and is not watched."""

    def __init__(
        self, options: Options, watch: CallWatch, request_ms: int, transaction_ms: int
    ) -> None:
        with _being_made():
            super().__init__(dict(options))
        self._watch = watch
        self._request_ms = request_ms
        self._transaction_ms = transaction_ms

    init_transactions = _watched(Producer.init_transactions)
    begin_transaction = _watched(Producer.begin_transaction)
    send_offsets_to_transaction = _watched(Producer.send_offsets_to_transaction)
    commit_transaction = _watched(Producer.commit_transaction, TRANSACTION)
    abort_transaction = _watched(Producer.abort_transaction, TRANSACTION)
    poll = _watched(Producer.poll)
    flush = _watched(Producer.flush)


class WatchedAdmin(AdminClient):
    """An admin client; where it answers by futures, they are waited for here."""

    def __init__(self, options: Options, config: KafkaConfig) -> None:
        with _being_made():
            super().__init__(dict(options))  # type: ignore[arg-type]  # callbacks are options, too
        self._watch: CallWatch = config.watch
        self._request_ms = config.request_timeout_ms

    list_topics = _watched(AdminClient.list_topics)

    list_offsets = _answered(AdminClient.list_offsets)
    describe_topics = _answered(AdminClient.describe_topics)
    describe_configs = _answered(AdminClient.describe_configs)


Watched = WatchedConsumer | WatchedProducer | WatchedAdmin
