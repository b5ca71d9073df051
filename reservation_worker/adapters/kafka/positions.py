"""A shard's position as the text that is kept with a committed offset."""

import re
from collections.abc import Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from reservation_worker.adapters.kafka.client_logs import forward_client_logs
from reservation_worker.adapters.kafka.configuration import (
    SHARDS_GROUP_SUFFIX,
    KafkaConfig,
    reader_options,
)
from reservation_worker.adapters.kafka.errors import error_of
from reservation_worker.ports import BrokerUnavailable, FatallyBroken, Position

ROLE: Final = "positions"

_TEXT: Final = re.compile(
    r"v1;minted=(\d{1,15});served=(\d{1,15});step=(\d{1,15});shards=(\d{1,6})", re.ASCII
)


def position_text(position: Position) -> str:
    """Write a position: ``v1;minted=…;served=…;step=…;shards=…``."""
    return (
        f"v1;minted={position.minted};served={position.served};step={position.step};"
        f"shards={position.shards_total}"
    )


def parse_position(text: str) -> Position:
    """Read a position.

    Raises:
        FatallyBroken: it is written in a form that this release does not know.
    """
    match = _TEXT.fullmatch(text)
    if match is None:
        raise FatallyBroken(
            "The position of a shard is written in a form that this release does not know: a "
            "newer release must have written it. Run that one."
        )
    minted, served, step, shards_total = (int(digits) for digits in match.groups())
    return Position(minted, served, step, shards_total)


def committed_positions(
    consumer: Consumer, topic: str, shards: Sequence[int], timeout_seconds: float
) -> dict[int, Position | None]:
    """Read stable positions by a consumer of the group, a member or not; None: there is none.

    Raises:
        BrokerUnavailable: Kafka does not answer, or a transaction is still open.
        FatallyBroken: a position is written in a form that this release does not know.
    """
    partitions = [TopicPartition(topic, shard) for shard in shards]
    try:
        answers = consumer.committed(partitions, timeout=timeout_seconds)
    except KafkaException as exception:
        raise BrokerUnavailable(error_of(exception).str()) from exception
    positions: dict[int, Position | None] = {}
    for answer in answers:
        if answer.error is not None:
            raise BrokerUnavailable(answer.error.str())
        positions[answer.partition] = (
            parse_position(answer.metadata or "") if answer.offset >= 0 else None
        )
    return positions


class KafkaPositions:
    """Asks for positions without ever being a member of the group of the shards' owners."""

    def __init__(self, config: KafkaConfig, topic: str) -> None:
        self._topic = topic
        self._request_seconds = config.request_timeout_ms / 1000
        options = {
            **reader_options(config, ROLE),
            "group.id": config.group_id + SHARDS_GROUP_SUFFIX,
        }
        self._consumer = Consumer({**options, **forward_client_logs(str(options["client.id"]))})

    def position(self, shard: int) -> Position | None:
        """Read the stable position, after any open transaction; None where there is none.

        Raises:
            BrokerUnavailable: Kafka does not answer, or a transaction is still open.
            FatallyBroken: the position is written in a form that this release does not know.
        """
        return committed_positions(self._consumer, self._topic, [shard], self._request_seconds)[
            shard
        ]

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()
