"""Run the loop until SIGTERM."""

import signal

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from redis import Redis

from tests.benchmarks.peers.given import Given
from tests.benchmarks.peers.one_fact import answering, call_of, script_text


def main() -> None:
    """Consume, call the script, produce, flush, commit."""
    given = Given.from_environment()
    answer_to = answering(given)
    stopped = Stopped()
    script = Redis.from_url(given.redis_url).register_script(script_text())
    producer = Producer({"bootstrap.servers": given.bootstrap_servers})
    consumer = Consumer(
        {
            "bootstrap.servers": given.bootstrap_servers,
            "group.id": given.group_id,
            "session.timeout.ms": given.session_timeout_ms,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe(list(given.input_topics))
    while not stopped.asked:
        message = consumer.poll(0.5)
        if message is None:
            continue
        error = message.error()
        if error is not None:
            raise KafkaException(error)
        answer = answer_to(message)
        while answer.waiting:
            fact = answer.waiting.pop(0)
            key, arguments = call_of(fact)
            answer.take(fact, script(keys=[key], args=arguments))
        for one in answer.records:
            producer.produce(
                given.topic(one.topic.value),
                one.value,
                one.key,
                one.partition,
                on_delivery=refuse_failure,
                headers=list(one.headers),
            )
        producer.flush()
        consumer.commit(message=message, asynchronous=False)
    consumer.close()


def refuse_failure(error: KafkaError | None, _message: Message) -> None:
    """End the process rather than commit what was not published."""
    if error is not None:
        raise KafkaException(error)


class Stopped:
    """Whether the process has been asked to end."""

    def __init__(self) -> None:
        self.asked = False
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "asked", True))


if __name__ == "__main__":
    main()
