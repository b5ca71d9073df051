"""One script call for one fact: what the peers share that keep their state in Redis.

The rules are the worker's own script, so what is compared is how messages are moved. It does one
fact in a call, and gives the events back instead of keeping them in an outbox.
"""

import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Message

from reservation_worker.adapters.redis.outbox import encode_outbox_entry
from reservation_worker.adapters.redis.packing import pack_facts
from reservation_worker.adapters.redis.records import unpack_outcomes, unpack_settlement
from reservation_worker.adapters.redis.scripts import load_scripts
from reservation_worker.contracts.dead_letters import DeadLetterLimits, dead_letter
from reservation_worker.contracts.decode import Decoder
from reservation_worker.contracts.records import (
    ANY_PARTITION,
    OutputRecord,
    OutputTopic,
    Record,
    Rejection,
    rejection_of,
)
from reservation_worker.domain.facts import Fact, InputFact
from reservation_worker.domain.keys import shard_of
from tests.benchmarks.peers.given import SHARDS_TOTAL, Given

RECORD_BYTES_MAX = 1_000_000
Reply = Any
"""What the client makes of the script's reply."""


def script_text() -> str:
    """Return the worker's script for a step with an end of its own."""
    own_end = (files("reservation_worker.adapters.redis") / "lua" / "step.lua").read_text("utf-8")
    parts = load_scripts()["step"].text
    assert parts.endswith(own_end), "the script of a step ends with its entry file"
    return parts.removesuffix(own_end) + Path(__file__).with_name("one_fact_step.lua").read_text(
        "utf-8"
    )


def call_of(fact: Fact) -> tuple[str, tuple[bytes | int, ...]]:
    """Return the key and the arguments of the script's call for a fact."""
    packed = pack_facts([fact])
    now_ms: Final = time.time_ns() // 1_000_000
    key = f"{{s{shard_of(fact.account, SHARDS_TOTAL)}}}:meta"
    return key, (packed.facts, packed.causes, packed.lines, now_ms)


class Answer:
    """What is to be published because of one input record, and what is still to be done."""

    def __init__(self, given: Given, record: Record, stated: InputFact | Rejection) -> None:
        self._record = record
        self._given = given
        self.records: list[OutputRecord] = []
        self.waiting: list[Fact] = []
        if isinstance(stated, Rejection):
            self._reject(stated)
        else:
            self.waiting.append(stated)

    def take(self, fact: Fact, reply: Reply) -> None:
        """Read the script's reply to a fact."""
        step, entry, outcome, *settlements = reply
        if entry:
            shard = shard_of(fact.account, SHARDS_TOTAL)
            self.records += encode_outbox_entry(shard, step, entry).records
        self.waiting += [unpack_settlement(one.decode()) for one in settlements]
        rejection = rejection_of(unpack_outcomes(outcome)[0])
        if rejection is not None:
            self._reject(rejection)

    def _reject(self, rejection: Rejection) -> None:
        limits = DeadLetterLimits(self._given.group_id, RECORD_BYTES_MAX)
        letter = dead_letter(self._record, rejection, limits, time.time_ns() // 1_000_000)
        headers = tuple((name, value or b"") for name, value in letter.headers)
        self.records.append(
            OutputRecord(
                OutputTopic.DEAD_LETTER, ANY_PARTITION, letter.key or b"", letter.value, headers
            )
        )


def answering(given: Given) -> Callable[[Message], Answer]:
    """Return what reads an input message."""
    decoder: Decoder = given.decoder()

    def answer(message: Message) -> Answer:
        record = record_of(message)
        return Answer(given, record, decoder.decode(record, record.timestamp_ms))

    return answer


def record_of(message: Message) -> Record:
    """Return a message that was read without an error as a record."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    headers: Any = message.headers() or ()
    timestamp_ms = message.timestamp()[1]
    return Record(
        topic, partition, offset, timestamp_ms, message.key(), message.value(), tuple(headers)
    )
