"""A client that nobody answers any more is given up for another one."""

import pytest
from confluent_kafka import KafkaException

from reservation_worker.adapters.kafka.configuration import KafkaConfig
from reservation_worker.adapters.kafka.payment_offsets import KafkaPaymentOffsets
from reservation_worker.adapters.kafka.renewing import UNANSWERED_MAX, Renewing
from reservation_worker.adapters.kafka.topic_questions import TopicQuestions
from reservation_worker.embedded.port_claims import LOOPBACK
from reservation_worker.ports import BrokerUnavailable

NOBODY = f"{LOOPBACK}:1"
REQUEST_MS = 100


def test_only_so_many_calls_in_a_row_without_an_answer_count() -> None:
    """An answer in between says that the client is well."""
    clients = Renewing(object)
    first = clients.client
    for _ in range(UNANSWERED_MAX - 1):
        clients.unanswered()
    clients.answered()
    for _ in range(UNANSWERED_MAX - 1):
        clients.unanswered()
    assert clients.client is first
    clients.unanswered()
    assert clients.client is not first


def test_questions_go_on_with_a_new_client() -> None:
    """The old one may never find its brokers again."""
    questions = TopicQuestions(
        KafkaConfig(NOBODY, "shop", "one", request_timeout_ms=REQUEST_MS), "test"
    )
    first = questions.admin
    for _ in range(UNANSWERED_MAX):
        assert questions.admin is first
        with pytest.raises(BrokerUnavailable):
            questions.describe(["orders"])
    assert questions.admin is not first


def test_questions_that_nobody_waits_for_count_as_well() -> None:
    """Those of a reader: whether its topics are still the same."""
    questions = TopicQuestions(
        KafkaConfig(NOBODY, "shop", "one", request_timeout_ms=REQUEST_MS), "test"
    )
    first = questions.admin
    for _ in range(UNANSWERED_MAX):
        assert questions.admin is first
        with pytest.raises(KafkaException):
            questions.described(questions.begin_describing(["orders"]))
    assert questions.admin is not first


def test_whoever_is_answered_keeps_its_client(kafka: str) -> None:
    """A topic that is not there is an answer, too."""
    questions = TopicQuestions(KafkaConfig(kafka, "shop", "one"), "test")
    first = questions.admin
    for _ in range(UNANSWERED_MAX + 1):
        questions.describe(["is-not-there"])
    payments = KafkaPaymentOffsets(KafkaConfig(kafka, "shop", "one"), "is-not-there")
    for _ in range(UNANSWERED_MAX + 1):
        with pytest.raises(BrokerUnavailable):
            payments.ends()
    assert questions.admin is first
