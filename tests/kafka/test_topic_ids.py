"""A topic that was deleted and created anew is noticed by its id, whatever its offsets say."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from reservation_worker.adapters.kafka.configuration import KafkaConfig
from reservation_worker.adapters.kafka.payment_offsets import KafkaPaymentOffsets
from reservation_worker.ports import BrokerUnavailable
from tests.kafka.shop_topics import ShopTopics
from tests.kafka.test_input_log import Reader
from tests.kafka.worker_parts import turn_until
from tests.waiting import wait_until

ORDERS = "order-completed"
PAYMENTS = "payment-approved"
OLD = [b"old-%d" % number for number in range(3)]
NEW = [b"new-%d" % number for number in range(5)]
NOTICED_MS = 30_000
"""Topics are asked for every two seconds."""


class Anew:
    """Deletes topics, and creates them anew with more records than before."""

    def __init__(self, topics: ShopTopics, config: KafkaConfig) -> None:
        self._topics = topics
        self._config = config
        self._admin = AdminClient({"bootstrap.servers": config.bootstrap_servers})

    def fill(self, stem: str, values: list[bytes]) -> None:
        """Write records, by a producer of their own: an older one may know the topic before."""
        producer = Producer({"bootstrap.servers": self._config.bootstrap_servers})
        for value in values:
            producer.produce(self._topics.name(stem), value, partition=0)
        assert producer.flush(20) == 0

    def create(self, stem: str, values: list[bytes]) -> None:
        """Delete a topic, create it anew, and fill it."""
        name = self._topics.name(stem)
        self._admin.delete_topics([name])[name].result()
        wait_until(lambda: self._created(name), timeout_ms=20_000, what="the topic is created")
        self.fill(stem, values)

    def _created(self, name: str) -> bool:
        try:
            self._admin.create_topics([NewTopic(name, 1)])[name].result()
        except KafkaException:  # It is being deleted still.
            return False
        return True


@pytest.fixture
def anew(topics: ShopTopics, config: KafkaConfig) -> Anew:
    """Return what creates topics anew."""
    return Anew(topics, config)


@pytest.fixture
def start(topics: ShopTopics, config: KafkaConfig) -> Iterator[Callable[[], Reader]]:
    """Start readers that are closed when the test ends."""
    readers: list[Reader] = []

    def start_one() -> Reader:
        readers.append(Reader(topics, replace(config, worker_slot=f"slot-{len(readers)}")))
        return readers[-1]

    yield start_one
    for reader in readers:
        reader.log.close()


def read_and_commit(reader: Reader) -> None:
    """Poll once, and commit what came."""
    reader.poll()
    reader.log.commit(reader.ends, (), reader.membership)


def test_a_topic_created_anew_while_it_is_held_is_read_from_its_beginning(
    start: Callable[[], Reader], anew: Anew
) -> None:
    """Nobody polls meanwhile, and it is filled past the old position: offsets tell nothing."""
    anew.fill(ORDERS, OLD)
    reader = start()
    reader.poll_until(lambda: reader.values == OLD, "the old topic is read")
    reader.log.commit(reader.ends, (), reader.membership)
    anew.create(ORDERS, NEW)

    def turn() -> None:
        read_and_commit(reader)

    turn_until(
        turn,
        lambda: set(NEW) <= set(reader.values),
        "all of the new topic is read",
        timeout_ms=NOTICED_MS,
    )


def test_a_position_of_the_old_topic_is_noticed_by_whoever_starts(
    start: Callable[[], Reader], anew: Anew, topics: ShopTopics, config: KafkaConfig
) -> None:
    """A worker that had not noticed yet has committed it since the new topic is there."""
    anew.fill(ORDERS, OLD)
    reader = start()
    reader.poll_until(lambda: reader.values == OLD, "the old topic is read")
    reader.log.commit(reader.ends, (), reader.membership)
    asking = Consumer({"bootstrap.servers": config.bootstrap_servers, "group.id": config.group_id})
    orders = TopicPartition(topics.name(ORDERS), 0)
    (of_the_old,) = asking.committed([orders], timeout=10)
    assert (len(OLD), "v1;topic=") == (of_the_old.offset, (of_the_old.metadata or "")[:9])
    reader.log.close()
    anew.create(ORDERS, NEW)
    asking.commit(offsets=[of_the_old], asynchronous=False)
    heir = start()
    heir.poll_until(lambda: NEW[-1] in heir.values, "the heir has read the last one")
    assert heir.values == NEW
    heir.log.commit(heir.ends, (), heir.membership)
    (of_the_new,) = asking.committed([orders], timeout=10)
    assert of_the_new.metadata != of_the_old.metadata
    asking.close()


def test_what_was_read_of_the_old_topic_is_committed_as_such(
    start: Callable[[], Reader], anew: Anew, topics: ShopTopics, config: KafkaConfig
) -> None:
    """Also by who knows by then that another one is there: its offsets are not of that one."""
    anew.fill(PAYMENTS, OLD)
    payments = KafkaPaymentOffsets(config, topics.name(PAYMENTS))
    before = payments.ends().topic_id
    reader = start()
    reader.poll_until(lambda: reader.values == OLD, "the old topic is read")
    anew.create(PAYMENTS, NEW)
    partition = (topics.name(PAYMENTS), 0)
    assert reader.log._positions.look_closely(partition)  # noqa: SLF001
    reader.log.commit({partition: len(OLD)}, (), reader.membership)
    asking = Consumer({"bootstrap.servers": config.bootstrap_servers, "group.id": config.group_id})
    (committed,) = asking.committed([TopicPartition(*partition)], timeout=10)
    asking.close()
    assert (len(OLD), f"v1;topic={before}") == (committed.offset, committed.metadata)
    assert {} == payments.committed_offsets(payments.ends().topic_id)


def test_an_offset_that_an_operator_has_set_is_taken_as_it_is(
    start: Callable[[], Reader], anew: Anew, topics: ShopTopics, config: KafkaConfig
) -> None:
    """`kafka-consumer-groups --reset-offsets` names no topic: somebody has decided."""
    anew.fill(ORDERS, OLD)
    asking = Consumer({"bootstrap.servers": config.bootstrap_servers, "group.id": config.group_id})
    asking.commit(offsets=[TopicPartition(topics.name(ORDERS), 0, 2)], asynchronous=False)
    asking.close()
    reader = start()
    reader.poll_until(lambda: bool(reader.values), "something is read")
    assert reader.values == OLD[2:]


def test_payments_of_a_topic_that_is_gone_count_for_nothing(
    start: Callable[[], Reader], anew: Anew, topics: ShopTopics, config: KafkaConfig
) -> None:
    """The frontier would pass payments that nobody has read."""
    anew.fill(PAYMENTS, OLD)
    reader = start()
    reader.poll_until(lambda: reader.values == OLD, "the old topic is read")
    reader.log.commit(reader.ends, (), reader.membership)
    payments = KafkaPaymentOffsets(config, topics.name(PAYMENTS))
    before = payments.ends()
    assert {0: len(OLD)} == before.offsets == payments.committed_offsets(before.topic_id)
    anew.create(PAYMENTS, NEW)
    # As a worker does that has not noticed yet.
    positions = reader.log._positions.stamped({(topics.name(PAYMENTS), 0): len(NEW)})  # noqa: SLF001
    reader.log._consumer.commit(offsets=positions, asynchronous=False)  # noqa: SLF001
    after = payments.ends()
    assert {0: len(NEW)} == after.offsets
    assert after.topic_id != before.topic_id
    assert {} == payments.committed_offsets(after.topic_id)
    with pytest.raises(BrokerUnavailable, match="created anew"):
        payments.committed_offsets(before.topic_id)
