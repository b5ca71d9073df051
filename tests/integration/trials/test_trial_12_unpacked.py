"""A record of 60 MB of zeros, compressed to 2 KB."""

from collections.abc import Callable

from confluent_kafka import KafkaError, Producer
from confluent_kafka import Message as SentMessage

from reservation_worker.adapters.kafka.configuration import KafkaConfig
from tests.kafka.shop_topics import ShopTopics
from tests.reader import QUIET, TIMEOUT_SECONDS

ZEROS = b"\0" * 60_000_000


def test_what_unpacks_to_more_than_a_record_may_have_is_refused_by_the_topic(
    kafka: str, unique_name: Callable[[str], str]
) -> None:
    """A reader must unpack what it fetches: only the topic, as `topics apply` makes it, bounds it.

    76 of them took 4.5 GB of memory.
    """
    config = KafkaConfig(kafka, unique_name("group"), "one")
    topics = ShopTopics(config, unique_name("shop"))
    topics.create()
    producer = Producer(
        {
            "bootstrap.servers": kafka,
            "compression.type": "zstd",
            "message.max.bytes": 100_000_000,
            **QUIET,
        }
    )
    answers: list[int] = []

    def take(error: KafkaError | None, _message: SentMessage) -> None:
        answers.append(0 if error is None else error.code())

    producer.produce(topics.name("order-completed"), ZEROS, on_delivery=take)
    # Ordinary records are compressed on their way as before.
    producer.produce(topics.name("order-canceled"), ZEROS[:1_000], on_delivery=take)
    assert producer.flush(TIMEOUT_SECONDS) == 0
    assert sorted(answers) == [0, KafkaError.MSG_SIZE_TOO_LARGE]
