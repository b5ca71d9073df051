"""A right that is missing: it is told, waited for, and nothing ends because of it."""

from collections.abc import Callable, Iterator

import pytest
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._resource import ResourceType
from prometheus_client import CollectorRegistry

from reservation_worker.adapters.kafka.configuration import KafkaConfig
from reservation_worker.adapters.kafka.input_log import InputLogParts, KafkaInputLog
from reservation_worker.adapters.kafka.shard_group import KafkaShardGroup, ShardsTopic
from reservation_worker.adapters.kafka.topic_watch import TopicWatch
from reservation_worker.adapters.kafka.topics import TopicAdmin
from reservation_worker.adapters.kafka.transactions import KafkaTransactions, TransactionsParts
from reservation_worker.ports import BrokerUnavailable
from reservation_worker.telemetry.labels import LostReason, TopicProblem
from reservation_worker.telemetry.metrics import Metrics
from tests.clocks import MachineClock
from tests.kafka.shop_topics import SHARDS_TOTAL, ShopTopics
from tests.kafka.worker_parts import turn_until
from tests.secured_kafka import USERS, SecuredKafka
from tests.waiting import wait_until

PASSWORD = "secret"
GRANTED_MS = 60_000


class User:
    """Somebody whose rights a test grants one by one."""

    def __init__(self, kafka: SecuredKafka, name: str) -> None:
        self._kafka = kafka
        self.name = name
        kafka.set_password(name, PASSWORD)
        self.config = KafkaConfig(
            bootstrap_servers=kafka.address(USERS),
            group_id=name,
            worker_slot="one",
            request_timeout_ms=5_000,
            transaction_timeout_ms=10_000,
            extra={
                "security.protocol": "SASL_PLAINTEXT",
                "sasl.mechanism": "SCRAM-SHA-256",
                "sasl.username": name,
                "sasl.password": PASSWORD,
            },
        )
        everything = KafkaConfig(kafka.bootstrap_servers, name, "operator")
        self.topics = ShopTopics(everything, name)
        self.topics.create()

    def may(self, kind: ResourceType, name: str, *operations: AclOperation) -> None:
        """Grant rights."""
        self._kafka.grant(self.name, operations, kind, name)

    def may_use_topics(self, *operations: AclOperation) -> None:
        """Grant rights on all topics of the shop."""
        self._kafka.grant(self.name, operations, ResourceType.TOPIC, f"{self.name}.", prefixed=True)


@pytest.fixture
def user(secured_kafka: SecuredKafka, unique_name: Callable[[str], str]) -> User:
    """Return somebody who may do nothing yet."""
    return User(secured_kafka, unique_name("user"))


@pytest.fixture
def group(user: User) -> Iterator[KafkaShardGroup]:
    """Return a member-to-be of the group of shards."""
    group = KafkaShardGroup(
        user.config,
        ShardsTopic(user.topics.layout.shards, SHARDS_TOTAL),
        MachineClock(),
        Metrics(CollectorRegistry()),
    )
    yield group
    group.close()


def test_a_right_on_a_topic_is_told_at_the_start_and_does_not_refuse_it(user: User) -> None:
    """Whoever set it up may grant it a minute later."""
    admin = TopicAdmin(user.config)
    found = admin.check(user.topics.layout)
    assert {TopicProblem.NO_RIGHT} == {one.problem for one in found}
    assert {one.topic for one in found} >= set(user.topics.layout.inputs)
    user.may_use_topics(AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE_CONFIGS)
    wait_until(
        lambda: admin.check(user.topics.layout) == (), timeout_ms=GRANTED_MS, what="all is granted"
    )


def test_what_may_not_be_seen_is_not_taken_for_safe(user: User) -> None:
    """Without DescribeConfigs nobody can tell whether a topic keeps what is published."""
    user.may_use_topics(AclOperation.READ, AclOperation.WRITE)
    watch = TopicWatch(user.config, user.topics.layout, Metrics(CollectorRegistry()))
    reasons: list[LostReason] = []

    def is_safe() -> bool:
        watch.look()
        try:
            watch.refuse_unsafe()
        except BrokerUnavailable as error:
            reasons.append(error.reason)
            return False
        return True

    def is_seen() -> bool:
        return not is_safe() and all("DescribeConfigs" in one for one in watch.problems())

    wait_until(is_seen, timeout_ms=GRANTED_MS, what="that right alone is missing")
    assert {LostReason.NO_RIGHT} == set(reasons)
    user.may_use_topics(AclOperation.DESCRIBE_CONFIGS)
    wait_until(is_safe, timeout_ms=GRANTED_MS, what="it is granted")


def test_a_transactional_id_is_waited_for(user: User) -> None:
    """The library calls it fatal: the next producer asks anew."""
    parts = TransactionsParts(user.topics.layout.shards, user.topics.output_names, MachineClock())
    transactions = KafkaTransactions(user.config, parts)
    with pytest.raises(BrokerUnavailable, match="no right on the transactional id") as caught:
        transactions.prepare()
    assert caught.value.reason is LostReason.NO_RIGHT
    user.may(ResourceType.TRANSACTIONAL_ID, transactions.producer, AclOperation.WRITE)

    def is_prepared() -> bool:
        try:
            transactions.prepare()
        except BrokerUnavailable:
            return False
        return True

    wait_until(is_prepared, timeout_ms=GRANTED_MS, what="it is granted")
    transactions.close()


def test_the_group_of_shards_is_joined_once_it_may_be(user: User, group: KafkaShardGroup) -> None:
    """Until then it says whose right is missing."""
    user.may_use_topics(AclOperation.READ)
    told: list[str] = []
    owned: list[int] = []

    def poll() -> None:
        shards = group.poll()
        told.append(shards.problem)
        owned[:] = shards.tenures

    turn_until(poll, lambda: any("right on the group" in one for one in told), "it is told")
    assert owned == []
    user.may(ResourceType.GROUP, f"{user.name}-shards", AclOperation.READ)
    turn_until(poll, lambda: len(owned) == SHARDS_TOTAL and not told[-1], "the shards are owned")


def test_the_group_of_the_inputs_is_joined_once_it_may_be(user: User) -> None:
    """Until then it says whose right is missing."""
    user.may_use_topics(AclOperation.READ)
    told: list[str] = []
    layout = user.topics.layout
    log = KafkaInputLog(
        user.config,
        InputLogParts(
            layout.inputs,
            layout.dead_letter,
            MachineClock(),
            Metrics(CollectorRegistry()),
            tell_problem=told.append,
        ),
    )

    def poll() -> None:
        log.poll(20, 100)

    turn_until(poll, lambda: any("right on the group" in one for one in told), "it is told")
    assert log.held() == frozenset()
    user.may(ResourceType.GROUP, user.name, AclOperation.READ)
    turn_until(poll, lambda: len(log.held()) == len(layout.inputs), "the inputs are held")
    assert told[-1] == ""
    log.close()
