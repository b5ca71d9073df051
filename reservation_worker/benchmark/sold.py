"""How many units a run has sold, by what is published."""

import time

import msgspec
from confluent_kafka import Consumer, TopicPartition

from reservation_worker.adapters.kafka.configuration import reader_options
from reservation_worker.benchmark.pass_through import output_ends
from reservation_worker.benchmark.place import Place
from reservation_worker.benchmark.stage import OUTPUT, STALL_SECONDS, Stalled
from reservation_worker.composition import kafka_config
from reservation_worker.ports import Partition

CONSUME_SECONDS = 1.0
RECORDS_MAX = 5_000


class SoldWrong(Exception):
    """More units were sold than there were, or fewer than were wanted."""


class LineBody(msgspec.Struct):
    """A line's units that it holds, and of which sku."""

    sku: str
    held: int


class OrderBody(msgspec.Struct):
    """A reservation as published."""

    account: str
    order_id: str
    lines: list[LineBody]


_decode = msgspec.json.Decoder(OrderBody).decode


def units_held(found: Place, begin: dict[Partition, int], sku: str) -> int:
    """Return the units of a sku that reservations hold whose changes are behind these offsets.

    Raises:
        Stalled: they cannot be read.
    """
    topic = found.topic(OUTPUT)
    ends = {one: end for one, end in output_ends(found).items() if one[0] == topic}
    left = {one for one, end in ends.items() if end > begin[one]}
    held: dict[tuple[str, str], int] = {}
    consumer = Consumer(reader_options(kafka_config(found.settings()), "benchmark"))
    consumer.assign([TopicPartition(*one, begin[one]) for one in ends])
    give_up_at = time.monotonic() + STALL_SECONDS
    while left:
        if time.monotonic() > give_up_at:
            raise Stalled(f"{topic} cannot be read to its end")
        for record in consumer.consume(RECORDS_MAX, CONSUME_SECONDS):
            value = record.value()
            if record.error() is not None:
                left.discard((str(record.topic()), record.partition() or 0))
            elif value is not None:
                body = _decode(value)
                held[body.account, body.order_id] = sum(
                    line.held for line in body.lines if line.sku == sku
                )
    consumer.close()
    return sum(held.values())
