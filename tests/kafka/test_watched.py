"""Which calls of the clients are told to the watch: each that may never come back."""

from dataclasses import replace

import pytest

from reservation_worker.adapters.kafka.configuration import KafkaConfig
from reservation_worker.adapters.kafka.payment_offsets import KafkaPaymentOffsets
from reservation_worker.adapters.kafka.topics import TopicAdmin
from reservation_worker.adapters.kafka.watched import COMMIT_TRIES
from reservation_worker.ports import CallWatch
from reservation_worker.ports.watch import WatchedCall
from tests.clocks import MachineClock
from tests.kafka.shop_topics import ShopTopics
from tests.kafka.test_input_log import DEAD, Reader

ORDERS = "order-completed"


class Notes(CallWatch):
    """Notes each call, with the bound of its time."""

    def __init__(self) -> None:
        super().__init__(MachineClock().monotonic_ms)
        self.bounds_ms: dict[str, int] = {}

    def call(self, what: str, bound_ms: int) -> WatchedCall:
        """Note it."""
        self.bounds_ms[what] = bound_ms
        return super().call(what, bound_ms)


@pytest.fixture
def notes() -> Notes:
    """Return a watch that has seen nothing."""
    return Notes()


@pytest.fixture
def watched(config: KafkaConfig, notes: Notes) -> KafkaConfig:
    """Return what clients are built from that tell it."""
    return replace(config, watch=notes)


def test_a_member_of_the_inputs_group_tells_of_every_call(
    topics: ShopTopics, watched: KafkaConfig, notes: Notes
) -> None:
    """Each with a bound that it keeps itself, where it keeps any."""
    topics.send(ORDERS, b"1")
    topics.flush()
    reader = Reader(topics, watched)
    reader.poll_until(lambda: reader.end_of(ORDERS) == 1, "the record is read")
    offsets = {(topics.name(ORDERS), 0): 1}
    reader.log.commit(offsets, (), reader.membership)
    reader.log.commit(offsets, [DEAD], reader.membership)
    reader.log.seek_to_committed()
    reader.log.close()
    request_ms, transaction_ms = watched.request_timeout_ms, watched.transaction_timeout_ms
    within_a_request = (
        *("Consumer.poll", "Consumer.consume", "Consumer.committed", "Consumer.seek"),
        *("Consumer.memberid", "Consumer.consumer_group_metadata", "Consumer.close"),
        *("Producer.init_transactions", "Producer.begin_transaction"),
        *("Producer.send_offsets_to_transaction", "AdminClient.describe_topics"),
    )
    expected = {
        **dict.fromkeys(within_a_request, request_ms),
        "Consumer.commit": COMMIT_TRIES * request_ms,
        "Producer.commit_transaction": transaction_ms,
    }
    assert expected.items() <= notes.bounds_ms.items()
    assert notes.under_way == {}


def test_questions_of_topics_are_told(
    topics: ShopTopics, watched: KafkaConfig, notes: Notes
) -> None:
    """Their answers are futures, which are waited for as well."""
    TopicAdmin(watched).check(topics.layout)
    KafkaPaymentOffsets(watched, topics.name("payment-approved")).ends()
    asked = {"describe_topics", "describe_configs", "list_offsets"}
    assert asked <= {name.rpartition(".")[2] for name in notes.bounds_ms}
