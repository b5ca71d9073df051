"""How far the counts reach, and what of them the whole group has applied."""

import time
from dataclasses import replace

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from reservation_worker.adapters.kafka.configuration import KafkaConfig
from reservation_worker.adapters.kafka.count_offsets import KafkaCountOffsets
from reservation_worker.adapters.kafka.held_positions import topic_text
from reservation_worker.ports import BrokerUnavailable, CountsAnswer, CountsOfPartition
from tests.kafka.shop_topics import ShopTopics
from tests.waiting import wait_until

COUNTS = "inventory-updated"
ANSWER_TIMEOUT_MS = 30_000


def answer(counts: KafkaCountOffsets) -> CountsAnswer:
    """Ask, and wait for the answer."""
    question = counts.ask()
    found: list[CountsAnswer] = []

    def is_answered() -> bool:
        if (one := question.answer()) is not None:
            found.append(one)
        return bool(found)

    wait_until(is_answered, timeout_ms=ANSWER_TIMEOUT_MS, what="the question is answered")
    return found[0]


def open_transaction(topics: ShopTopics) -> Producer:
    """Leave a count in a transaction that is not committed."""
    producer = Producer(
        {"bootstrap.servers": topics.config.bootstrap_servers, "transactional.id": topics.name("t")}
    )
    producer.init_transactions()
    producer.begin_transaction()
    producer.produce(topics.name(COUNTS), b"{}", partition=0)
    producer.flush()
    return producer


def test_a_hanging_transaction_is_waited_for_by_nobody(
    topics: ShopTopics, config: KafkaConfig
) -> None:
    """What may be read ends before it; once it is committed its control record counts as well."""
    topics.send(COUNTS, b"{}")
    topics.send(COUNTS, b"{}")
    topics.flush()
    counts = KafkaCountOffsets(config, topics.name(COUNTS))
    producer = open_transaction(topics)
    assert CountsAnswer({0: CountsOfPartition(0, 2, None)}, {}) == answer(counts)
    producer.commit_transaction()
    # The broker says that it is committed before everybody can read it.
    wait_until(
        lambda: answer(counts) == CountsAnswer({0: CountsOfPartition(0, 4, None)}, {}),
        timeout_ms=ANSWER_TIMEOUT_MS,
        what="the end lies behind the control record",
    )


def test_it_tells_what_any_member_has_committed_and_of_new_partitions(
    topics: ShopTopics, config: KafkaConfig
) -> None:
    """Metadata is asked anew: a partition that was added is told of at once."""
    name = topics.name(COUNTS)
    topics.send(COUNTS, b"{}")
    topics.flush()
    counts = KafkaCountOffsets(config, name)
    assert CountsAnswer({0: CountsOfPartition(0, 1, None)}, {}) == answer(counts)
    admin = AdminClient({"bootstrap.servers": config.bootstrap_servers})
    offsets = ConsumerGroupTopicPartitions(config.group_id, [TopicPartition(name, 0, 1)])
    for altered in admin.alter_consumer_group_offsets([offsets]).values():
        altered.result(ANSWER_TIMEOUT_MS / 1000)
    for grown in admin.create_partitions([NewPartitions(name, 2)]).values():
        grown.result(ANSWER_TIMEOUT_MS / 1000)
    expected = {0: CountsOfPartition(0, 1, 1), 1: CountsOfPartition(0, 0, None)}
    wait_until(
        lambda: answer(counts) == CountsAnswer(expected, {}),
        timeout_ms=ANSWER_TIMEOUT_MS,
        what="both partitions are told of",
    )


def test_what_is_committed_of_the_topic_before_counts_for_nothing(
    topics: ShopTopics, config: KafkaConfig
) -> None:
    """It was deleted and created anew: nobody has applied these counts yet."""
    name = topics.name(COUNTS)
    topics.send(COUNTS, b"{}")
    topics.flush()
    asking = Consumer({"bootstrap.servers": config.bootstrap_servers, "group.id": config.group_id})
    of_another = TopicPartition(name, 0, 1, topic_text("another"))
    asking.commit(offsets=[of_another], asynchronous=False)
    asking.close()
    counts = KafkaCountOffsets(config, name)
    assert CountsAnswer({0: CountsOfPartition(0, 1, None)}, {}) == answer(counts)


def test_a_question_ends_although_no_broker_answers(config: KafkaConfig) -> None:
    """Whoever asked has gone on meanwhile."""
    nobody = replace(config, bootstrap_servers="127.0.0.1:1", request_timeout_ms=500)
    began = time.monotonic()
    question = KafkaCountOffsets(nobody, COUNTS).ask()
    assert time.monotonic() - began < ANSWER_TIMEOUT_MS / 1000

    def ends() -> bool:
        return question.answer() is not None

    with pytest.raises(BrokerUnavailable, match=COUNTS):
        wait_until(ends, timeout_ms=ANSWER_TIMEOUT_MS, what="the question ends")
