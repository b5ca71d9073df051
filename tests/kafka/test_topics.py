"""Topics as the guarantees need them: planned, created, and checked at the start."""

from dataclasses import replace

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from reservation_worker.adapters.kafka.configuration import KafkaConfig, refused_options
from reservation_worker.adapters.kafka.outputs import KafkaOutputs
from reservation_worker.adapters.kafka.topics import TopicAdmin
from reservation_worker.ports import BrokerUnavailable, FatallyBroken
from tests.clocks import MachineClock
from tests.kafka.shop_topics import ShopTopics
from tests.kafka.test_input_log import send_in_transaction
from tests.waiting import wait_until


def test_applied_topics_need_no_further_plan(topics: ShopTopics, config: KafkaConfig) -> None:
    """Applying is safe to repeat."""
    admin = TopicAdmin(config)
    plan = admin.plan(topics.layout)
    assert plan.is_empty
    assert () == admin.apply(plan)
    admin.check(topics.layout)


def test_another_number_of_shards_is_refused(topics: ShopTopics, config: KafkaConfig) -> None:
    """An account's shard would change, and its history stay behind."""
    admin = TopicAdmin(config)
    grown = replace(topics.layout, shards_total=3)
    with pytest.raises(FatallyBroken, match="can never change"):
        admin.check(grown)
    assert len(admin.plan(grown).differences) == 4


def test_a_missing_topic_is_refused_and_named(topics: ShopTopics, config: KafkaConfig) -> None:
    """Topics are never created behind the operator's back."""
    layout = replace(topics.layout, dead_letter=topics.name("elsewhere"))
    with pytest.raises(FatallyBroken, match="elsewhere"):
        TopicAdmin(config).check(layout)


def test_a_topic_that_deletes_what_must_be_kept_is_a_difference(
    topics: ShopTopics, config: KafkaConfig
) -> None:
    """Its newest changes are what a shard is restored from."""
    name = topics.name("deleting")
    client = AdminClient({"bootstrap.servers": config.bootstrap_servers})
    client.create_topics([NewTopic(name, 2, config={"cleanup.policy": "delete"})])[name].result()
    admin = TopicAdmin(config)
    wait_until(
        lambda: name in admin.partition_counts(), timeout_ms=10_000, what="the topic is known"
    )
    layout = replace(topics.layout, compacted_outputs=(topics.name("reservation-changed"), name))
    (difference,) = admin.plan(layout).differences
    assert "cleanup.policy delete" in difference


def yields_nothing(outputs: KafkaOutputs) -> bool:
    """Ask until the brokers know the leaders of the new topics."""
    answers: list[bool] = []

    def answered() -> bool:
        try:
            answers.append(outputs.yield_nothing(0))
        except BrokerUnavailable:
            return False
        return True

    wait_until(answered, timeout_ms=10_000, what="the brokers answer")
    return answers[0]


def test_aborted_records_yield_nothing(topics: ShopTopics, config: KafkaConfig) -> None:
    """A shard whose only transaction was aborted has published nothing, and simply begins."""
    outputs = KafkaOutputs(config, topics.output_names, MachineClock())
    assert yields_nothing(outputs)
    producer = send_in_transaction(topics, "acknowledged-reservation", b"{}", commit=False)
    producer.abort_transaction()
    assert outputs.yield_nothing(0)
    send_in_transaction(topics, "acknowledged-reservation", b"{}", commit=True)
    assert not outputs.yield_nothing(0)
    assert outputs.yield_nothing(1)


def test_options_that_the_guarantees_own_are_refused_with_the_reason() -> None:
    """The others are the user's business."""
    (sentence,) = refused_options({"isolation.level": "read_uncommitted", "linger.ms": "5"})
    assert "isolation.level" in sentence
    assert "never happened" in sentence
