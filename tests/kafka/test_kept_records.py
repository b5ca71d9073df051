"""Reservations are kept longer than any record that could state their facts again."""

from dataclasses import replace

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from reservation_worker.adapters.kafka.configuration import KafkaConfig
from reservation_worker.adapters.kafka.kept_records import (
    ReservationRetention,
    retention_problems,
)
from reservation_worker.adapters.kafka.topic_needs import needed_topics
from reservation_worker.adapters.kafka.topics import TopicAdmin
from reservation_worker.composition import topic_layout
from reservation_worker.ports import FatallyBroken
from reservation_worker.settings.model import Settings
from tests.kafka.shop_topics import ShopTopics
from tests.waiting import wait_until

DAY_MS = 86_400_000
SEGMENT_MS = 7 * DAY_MS
"""What brokers do by default."""


def kept(
    retention_ms: int, *, segment_ms: int = SEGMENT_MS, policy: str = "delete"
) -> dict[str, str]:
    """Return how a topic keeps its records, as the brokers tell it."""
    return {
        "cleanup.policy": policy,
        "retention.ms": str(retention_ms),
        "segment.ms": str(segment_ms),
    }


def problems(over_ms: int, awaiting_ms: int, **configs: dict[str, str]) -> list[str]:
    """Return what is wrong."""
    retention = ReservationRetention(over_ms, awaiting_ms)
    return [sentence for _, sentence in retention_problems(retention, configs)]


def test_reservations_must_be_kept_longer_than_a_topic_and_a_segment() -> None:
    """Brokers delete whole segments: the last record of one has waited for it to be closed."""
    longest_ms = 3 * DAY_MS + SEGMENT_MS
    topics = {"short": kept(DAY_MS), "long": kept(3 * DAY_MS)}
    assert [] == problems(longest_ms + 1, longest_ms + 1, **topics)
    (over,) = problems(longest_ms, longest_ms + 1, **topics)
    assert (
        "retention.over_seconds is 864000, but the topic long keeps records for up to 864000 "
        "seconds (retention.ms 259200000 and segment.ms 604800000)"
    ) in over
    assert "Set retention.over_seconds to more than 864000, or lower the two of the topic." in over
    (awaiting,) = problems(longest_ms + 1, DAY_MS, **topics)
    assert "retention.awaiting_seconds is 86400, but the topic long" in awaiting


@pytest.mark.parametrize("config", [kept(-1), kept(DAY_MS, policy="compact")])
def test_a_topic_that_keeps_records_for_ever_is_refused_with_both_ways_out(
    config: dict[str, str],
) -> None:
    """No retention of reservations is longer than that."""
    (problem,) = problems(10**15, 10**15, orders=config, payments=kept(DAY_MS))
    assert "The topic orders keeps records for ever" in problem
    assert "set retention.enabled to false" in problem


def test_a_topic_that_is_compacted_and_deleted_keeps_nothing_for_ever() -> None:
    """Its old segments go like those of any other."""
    assert [] == problems(30 * DAY_MS, 30 * DAY_MS, orders=kept(DAY_MS, policy="compact,delete"))


def test_the_defaults_fit_the_topics_that_are_created_by_default() -> None:
    """Whoever changes nothing may start."""
    layout = topic_layout(Settings())
    assert layout.reservations is not None
    names = {*layout.inputs, layout.dead_letter}
    configs = {
        topic.name: {**kept(0), **topic.config}
        for topic in needed_topics(layout)
        if topic.name in names
    }
    assert names == set(configs)
    assert [] == list(retention_problems(layout.reservations, configs))


def test_brokers_are_asked_at_the_start(topics: ShopTopics, config: KafkaConfig) -> None:
    """The topics of this test are kept for a day, dead letters for two, and a week's segment."""
    admin = TopicAdmin(config)
    nine_days_ms = 2 * DAY_MS + SEGMENT_MS
    enough = ReservationRetention(nine_days_ms + 1, nine_days_ms + 1)
    admin.check(replace(topics.layout, reservations=enough))
    too_short = ReservationRetention(nine_days_ms, nine_days_ms + 1)
    with pytest.raises(FatallyBroken, match=f"{nine_days_ms // 1000} seconds") as refused:
        admin.check(replace(topics.layout, reservations=too_short))
    assert topics.name("reservation-dead-letter") in str(refused.value)


def test_a_topic_of_the_brokers_own_retention_is_asked_as_well(
    topics: ShopTopics, config: KafkaConfig
) -> None:
    """What a topic does not say itself, the brokers' defaults say: here that is for ever."""
    name = topics.name("unlimited")
    client = AdminClient({"bootstrap.servers": config.bootstrap_servers})
    client.create_topics([NewTopic(name, 1)])[name].result()
    admin = TopicAdmin(config)
    wait_until(
        lambda: name in admin.partition_counts(), timeout_ms=10_000, what="the topic is known"
    )
    layout = replace(topics.layout, dead_letter=name)
    long = ReservationRetention(100 * DAY_MS, 100 * DAY_MS)
    with pytest.raises(FatallyBroken, match="keeps records for ever"):
        admin.check(replace(layout, reservations=long))
    admin.check(layout)
