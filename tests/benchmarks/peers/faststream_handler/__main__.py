"""Run the application until SIGTERM."""

import asyncio
import logging

from faststream import FastStream
from faststream.confluent import KafkaBroker, KafkaMessage
from redis.asyncio import Redis

from tests.benchmarks.peers.given import Given
from tests.benchmarks.peers.one_fact import answering, call_of, script_text


def application(given: Given) -> FastStream:
    """Return the application with its one handler."""
    broker = KafkaBroker(given.bootstrap_servers, log_level=logging.WARNING)
    script = Redis.from_url(given.redis_url).register_script(script_text())
    answer_to = answering(given)

    async def handle(message: KafkaMessage) -> None:
        answer = answer_to(message.raw_message)
        while answer.waiting:
            fact = answer.waiting.pop(0)
            key, arguments = call_of(fact)
            answer.take(fact, await script(keys=[key], args=arguments))
        # Handed to the client in this order, and awaited together.
        await asyncio.gather(
            *(
                broker.publish(
                    one.value,
                    given.topic(one.topic.value),
                    key=one.key,
                    partition=one.partition,
                    headers={name: value.decode() for name, value in one.headers},
                )
                for one in answer.records
            )
        )

    broker.subscriber(
        *given.input_topics,
        group_id=given.group_id,
        session_timeout_ms=given.session_timeout_ms,
        auto_offset_reset="earliest",
    )(handle)
    return FastStream(broker)


if __name__ == "__main__":
    asyncio.run(application(Given.from_environment()).run(log_level=logging.WARNING))
