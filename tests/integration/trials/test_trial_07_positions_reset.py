"""`kafka-consumer-groups --reset-offsets`, on the group of the shards and on that of the inputs."""

from confluent_kafka import Consumer, TopicPartition

from reservation_worker.contracts.dead_letters import (
    OFFSET_HEADER,
    PARTITION_HEADER,
    TOPIC_HEADER,
)
from reservation_worker.domain.keys import shard_of
from tests.integration.stage import Stage
from tests.integration.test_payment_in_time import wait_for_statuses
from tests.integration.topics import Message
from tests.integration.trials.test_trial_06_topic_created_anew import ACCOUNT, patient_order
from tests.reader import QUIET

ORDERS = ["one", "two"]


def reset(stage: Stage, group_id: str, names: list[str], partitions: int) -> None:
    """Do what the tool does: commit the earliest offsets, without metadata."""
    consumer = Consumer(
        {"bootstrap.servers": stage.cluster.bootstrap_servers, "group.id": group_id, **QUIET}
    )
    consumer.commit(
        offsets=[TopicPartition(name, one, 0) for name in names for one in range(partitions)],
        asynchronous=False,
    )
    consumer.close()


def test_positions_that_were_reset_are_no_positions(stage: Stage) -> None:
    """They say nothing of what is published: the shards are rebuilt, as if they were deleted."""
    worker = stage.open_shop(accounts=[ACCOUNT])
    stage.send(patient_order(order_id, stage.clock.now_ms()) for order_id in ORDERS)
    wait_for_statuses(stage, dict.fromkeys(ORDERS, "Authorized"))
    stage.wait_until_settled()
    assert worker.drain() == 0
    shards_total = stage.topics.shards_total
    reset(stage, stage.shards_group_id, [stage.topics.name("shards")], shards_total)
    heir = stage.start("two")
    heir.wait_until_ready()
    shard = shard_of(ACCOUNT, shards_total)
    assert shard in heir.rebuilt_shards()
    stage.send(patient_order(order_id, stage.clock.now_ms()) for order_id in ["three"])
    wait_for_statuses(stage, {"three": "Authorized"})
    stage.wait_until_settled()
    stage.assert_nothing_violated()


def test_inputs_that_were_reset_are_repeats_and_letters_come_again(stage: Stage) -> None:
    """Whoever reads dead letters knows them by topic, partition and offset of their record."""
    worker = stage.open_shop(accounts=[ACCOUNT])
    now_ms = stage.clock.now_ms()
    stage.send(patient_order(order_id, now_ms) for order_id in ORDERS)
    stage.send([Message("order-completed", b"poison", partition=0)])
    wait_for_statuses(stage, dict.fromkeys(ORDERS, "Authorized"))
    stage.wait_until_settled()
    assert worker.drain() == 0
    published = len(stage.bodies("reservation-changed"))
    reset(stage, stage.group_id, list(stage.topics.inputs), stage.topics.input_partitions)
    stage.start("two").wait_until_ready()
    stage.wait_until_settled()
    assert len(stage.bodies("reservation-changed")) == published
    letters = stage.cluster.read([stage.topics.name("dead-letter")])
    assert len(letters) == 2
    origins = {
        tuple((name, value) for name, value in letter.headers if name in ORIGIN)
        for letter in letters
    }
    assert len(origins) == 1


ORIGIN = {TOPIC_HEADER, PARTITION_HEADER, OFFSET_HEADER}
