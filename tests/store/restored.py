"""A shard that is restored from what it has published, and everything that a server holds of it."""

from collections.abc import Sequence
from random import Random
from typing import Self

import redis

from reservation_worker.contracts.records import (
    RESTORED_FROM,
    OutputRecord,
    OutputTopic,
    PublishedRecord,
)
from reservation_worker.ports import Restoring, StepRefused, Store, Turn
from tests.store.random_facts import AFTERWARDS_MS

Contents = dict[str, object]
INDEXES = frozenset({"due", "settle", "over", "awaiting"})


def published(records: Sequence[OutputRecord], topic: OutputTopic) -> list[PublishedRecord]:
    """Return the records of a topic as they are read back, in order."""
    return [
        PublishedRecord(topic, one.key, one.value, offset, AFTERWARDS_MS)
        for offset, one in enumerate(records)
        if one.topic is topic
    ]


class Rebuilding:
    """A rebuild in one epoch; it numbers its calls."""

    def __init__(
        self,
        store: Store[OutputRecord],
        restoring: Restoring[PublishedRecord],
        shard: int,
        epoch: int,
    ) -> None:
        """Mark the shard."""
        self._restoring = restoring
        self.shard = shard
        self.epoch = epoch
        self.number = 1
        assert restoring.begin(shard, store.inspect(shard), epoch)

    @property
    def turn(self) -> Turn:
        """Which call is the next one."""
        return Turn(self.shard, self.epoch, self.number)

    def drop_all(self) -> Self:
        """Drop all that is there."""
        cursor = 0
        while True:
            cursor, keys = self._restoring.keys(self.shard, cursor)
            if keys:
                self.drop(keys)
            if not cursor:
                return self

    def drop(self, keys: Sequence[bytes]) -> None:
        """Drop these keys."""
        self._go_on(self._restoring.drop(self.turn, keys))

    def restore(self, records: Sequence[PublishedRecord]) -> None:
        """Write some records of one topic."""
        self._go_on(self._restoring.restore(self.turn, records))

    def restore_all(self, records: Sequence[OutputRecord], random: Random) -> None:
        """Write everything that was published, every version, in batches of random sizes."""
        for topic in RESTORED_FROM:
            left = published(records, topic)
            while left:
                size = random.randint(1, 40)
                self.restore(tuple({record.key: record for record in left[:size]}.values()))
                left = left[size:]

    def finish(self, step: int) -> None:
        """End it."""
        assert self._restoring.finish(self.turn, step) is None

    def _go_on(self, next_number: int | StepRefused) -> None:
        assert not isinstance(next_number, StepRefused), next_number
        assert next_number > self.number
        self.number = next_number


def begin(
    store: Store[OutputRecord], restoring: Restoring[PublishedRecord], shard: int, epoch: int
) -> Rebuilding:
    """Mark a shard, and drop all that is there of it."""
    return Rebuilding(store, restoring, shard, epoch).drop_all()


def contents(client: redis.Redis, shard: int) -> Contents:
    """Return every key of a shard and what it holds, but for the outbox and ``meta``."""
    prefix = f"{{s{shard}}}:"
    found: Contents = {}
    for key in client.scan_iter(prefix + "*", count=1_000):
        name = key.decode().removeprefix(prefix)
        if name == "meta" or name.startswith("o:"):
            continue
        is_index = name in INDEXES or name.startswith("a:")
        if name == "settle":
            # In which order they are stated, a later count may have changed.
            found[name] = set(client.zrange(key, 0, -1))
        else:
            found[name] = (
                client.zrange(key, 0, -1, withscores=True) if is_index else client.get(key)
            )
    return found
