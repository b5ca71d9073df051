"""A shop's topics and a configuration for one test on the shared Kafka."""

from collections.abc import Callable

import pytest

from reservation_worker.adapters.kafka.configuration import KafkaConfig, Rebalancing
from tests.kafka.shop_topics import ShopTopics

SHORTEST_SESSION_MS = 6_000
"""What brokers accept by default."""


@pytest.fixture(params=list(Rebalancing), ids=[kind.value for kind in Rebalancing])
def each_rebalancing(request: pytest.FixtureRequest) -> Rebalancing:
    """Run the test once for each way of sharing partitions."""
    kind = request.param
    assert isinstance(kind, Rebalancing)
    return kind


@pytest.fixture
def config(kafka: str, unique_name: Callable[[str], str]) -> KafkaConfig:
    """Return the configuration of the test's first worker."""
    return KafkaConfig(
        bootstrap_servers=kafka,
        group_id=unique_name("group"),
        worker_slot="first",
        session_timeout_ms=SHORTEST_SESSION_MS,
        transaction_timeout_ms=10_000,
        request_timeout_ms=5_000,
    )


@pytest.fixture
def topics(config: KafkaConfig, unique_name: Callable[[str], str]) -> ShopTopics:
    """Create the topics of the test."""
    topics = ShopTopics(config, unique_name("shop"))
    topics.create()
    return topics
