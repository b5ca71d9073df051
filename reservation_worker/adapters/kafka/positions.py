"""A shard's position as the text that is kept with a committed offset."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from reservation_worker.adapters.kafka.client_logs import ClientVoice
from reservation_worker.adapters.kafka.configuration import (
    SHARDS_GROUP_SUFFIX,
    KafkaConfig,
    reader_options,
)
from reservation_worker.adapters.kafka.errors import error_of
from reservation_worker.ports import FatallyBroken, Position

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


@dataclass(frozen=True, slots=True)
class Asking:
    """A consumer of the group, a member or not, and what it is asked about."""

    consumer: Consumer
    voice: ClientVoice
    topic: str
    timeout_seconds: float


def committed_positions(asking: Asking, shards: Sequence[int]) -> dict[int, Position | None]:
    """Read stable positions; None: there is none.

    One without metadata is none either: `kafka-consumer-groups --reset-offsets` leaves such ones,
    and they say nothing of what is published.

    Raises:
        BrokerUnavailable: Kafka does not answer, or a transaction is still open.
        FatallyBroken: a position is written in a form that this release does not know.
    """
    partitions = [TopicPartition(asking.topic, shard) for shard in shards]
    doing = f"Reading the positions of the shards ({asking.topic})"
    try:
        answers = asking.consumer.committed(partitions, timeout=asking.timeout_seconds)
    except KafkaException as exception:
        raise asking.voice.explained(error_of(exception), doing) from exception
    positions: dict[int, Position | None] = {}
    for answer in answers:
        if answer.error is not None:
            raise asking.voice.explained(answer.error, f"{doing}, shard {answer.partition}")
        text = answer.metadata if answer.offset >= 0 else None
        positions[answer.partition] = parse_position(text) if text else None
    return positions


class KafkaPositions:
    """Asks for positions without ever being a member of the group of the shards' owners."""

    def __init__(self, config: KafkaConfig, topic: str) -> None:
        options = {
            **reader_options(config, ROLE),
            "group.id": config.group_id + SHARDS_GROUP_SUFFIX,
        }
        voice = ClientVoice(options, config.secrets)
        consumer = Consumer({**options, **voice.options})
        self._consumer = consumer
        self._asking = Asking(consumer, voice, topic, config.request_timeout_ms / 1000)

    def position(self, shard: int) -> Position | None:
        """Read the stable position, after any open transaction; None where there is none.

        Raises:
            BrokerUnavailable: Kafka does not answer, or a transaction is still open.
            FatallyBroken: the position is written in a form that this release does not know.
        """
        return committed_positions(self._asking, [shard])[shard]

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()
