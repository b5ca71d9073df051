"""Output topics in memory, and events to put into them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec

from reservation_worker.contracts.records import RESTORED_FROM, OutputTopic, PublishedRecord
from reservation_worker.contracts.written import (
    WrittenAcknowledgedUnits,
    WrittenLine,
    WrittenReservation,
    WrittenReservationInternal,
    WrittenStock,
    WrittenStockInternal,
)
from reservation_worker.domain.keys import shard_of
from reservation_worker.ports import Position, PublishedBy, ReadBack

ACCOUNT = "shop"
SHARDS_TOTAL = 4
SHARD = shard_of(ACCOUNT, SHARDS_TOTAL)
RESERVATIONS, STOCKS = OutputTopic.RESERVATION_CHANGED, OutputTopic.STOCK_CHANGED
STOCK_KEY = f"{ACCOUNT}/main/cup"
_json = msgspec.json.Encoder().encode


def reservation_key(order_id: str) -> str:
    """Return the key of an order's reservation."""
    return f"{ACCOUNT}/{order_id}"


def line(held: int = 0, acknowledged: int = 0, canceled: int = 0, extra: int = 0) -> WrittenLine:
    """Return a line of cups; `extra`: units that are nowhere."""
    quantity = held + acknowledged + canceled + extra
    return WrittenLine("1", "main", "cup", quantity, held, acknowledged, 0, canceled, 0, 0)


def reservation(
    order_id: str,
    version: int,
    lines: Sequence[WrittenLine] = (),
    *,
    is_paid: bool = False,
    acknowledged: Sequence[WrittenAcknowledgedUnits] = (),
) -> WrittenReservation:
    """Return a change; `At.events` gives it its id."""
    moment = "2026-11-23T15:00:00Z"
    return WrittenReservation(
        *("", ACCOUNT, order_id, version, "Authorized", None, "order_completed", moment),
        *(None, moment, moment if is_paid else None, lines, (), False, (), None),
        WrittenReservationInternal(acknowledged=acknowledged),
    )


def stock(
    version: int,
    buckets: tuple[int, int, int] = (0, 0, 0),
    *,
    counted_at: str | None = None,
    settled_through: tuple[int, str] | None = None,
) -> WrittenStock:
    """Return the cups with so many authorized, confirmed and acknowledged units, of 100."""
    return WrittenStock(
        *("", ACCOUNT, "main", "cup", version, 100, 100 - sum(buckets), *buckets),
        *(0, False, counted_at),
        WrittenStockInternal(settled_through=settled_through),
    )


class MemoryTopics:
    """The two topics of one shard, and its position."""

    def __init__(self) -> None:
        self.records: dict[OutputTopic, list[PublishedRecord]] = {
            topic: [] for topic in RESTORED_FROM
        }
        self.step: int | None = 0
        """Of the position; None: it is gone."""
        self.minted = 9

    def publish(
        self, step: int, *bodies: WrittenReservation | WrittenStock, index: int = 0
    ) -> None:
        """Write the events of a step, and move the position."""
        for number, body in enumerate(bodies, start=index):
            self.write(f"{SHARD}-{step}-{number}", body)
        self.step = max(step, self.step or 0)

    def write(self, event_id: str, body: WrittenReservation | WrittenStock) -> None:
        """Write an event, and leave the position alone."""
        told = msgspec.structs.replace(body, event_id=event_id)
        if isinstance(told, WrittenStock):
            self.put(STOCKS, STOCK_KEY, _json(told))
        else:
            self.put(RESERVATIONS, reservation_key(told.order_id), _json(told))

    def put(self, topic: OutputTopic, key: str, value: bytes | None, step: int = 0) -> None:
        """Write any record."""
        records = self.records[topic]
        offset = records[-1].offset + 1 if records else 0
        records.append(PublishedRecord(topic, key.encode(), value, offset, 0, step))

    def compact(self, topic: OutputTopic, offset: int) -> None:
        """Take the record at an offset away, as compaction does."""
        self.records[topic] = [one for one in self.records[topic] if one.offset != offset]

    # ---- the ports

    def position(self, shard: int) -> Position | None:
        """Return how far the shard is published."""
        assert shard == SHARD
        return None if self.step is None else Position(self.minted, 9, self.step, SHARDS_TOTAL)

    def read_on(self, shard: int, after: Mapping[str, int]) -> ReadBack[PublishedRecord]:
        """Read what stands there by now."""
        assert shard == SHARD
        return MemoryReading(
            [
                one
                for topic in RESTORED_FROM
                for one in self.records[topic]
                if one.offset >= after.get(topic, 0)
            ]
        )

    def record_at(self, shard: int, topic: str, offset: int) -> PublishedRecord | None:
        """Return the record at an offset."""
        assert shard == SHARD
        found = [one for one in self.records[OutputTopic(topic)] if one.offset == offset]
        return found[0] if found else None


class MemoryReading:
    """Gives a few records at a time, all of one topic."""

    highest_step = 0
    sources: Sequence[PublishedBy] = ()

    def __init__(self, records: list[PublishedRecord]) -> None:
        self._left = records

    @property
    def finished(self) -> bool:
        """Whether everything has been returned."""
        return not self._left

    @property
    def records_left(self) -> int:
        """How many are to come."""
        return len(self._left)

    def read(self, records_max: int) -> Sequence[PublishedRecord]:
        """Return the next ones."""
        topic = self._left[0].topic
        taken = [one for one in self._left[: min(records_max, 3)] if one.topic is topic]
        del self._left[: len(taken)]
        return [replace(one) for one in taken]

    def close(self) -> None:
        """Nothing is open."""
