"""A shard that is restored from what it has published, and everything that a server holds of it."""

from collections.abc import Sequence
from random import Random

import redis

from reservation_worker.contracts.records import (
    RESTORED_FROM,
    OutputRecord,
    OutputTopic,
    PublishedRecord,
)
from reservation_worker.ports import Restoring, StepRefused, Store
from tests.store.random_facts import NOW_MS

Contents = dict[str, object]
INDEXES = frozenset({"due", "settle", "over", "awaiting"})


def published(records: Sequence[OutputRecord], topic: OutputTopic) -> list[PublishedRecord]:
    """Return the records of a topic as they are read back, in order."""
    return [
        PublishedRecord(topic, one.key, one.value, offset, NOW_MS)
        for offset, one in enumerate(records)
        if one.topic is topic
    ]


def begin(
    store: Store[OutputRecord], restoring: Restoring[PublishedRecord], shard: int, epoch: int
) -> None:
    """Mark a shard, and drop all that is there of it."""
    assert restoring.begin(shard, store.inspect(shard), epoch)
    cursor = 0
    while True:
        dropped = restoring.drop(shard, epoch, cursor)
        assert not isinstance(dropped, StepRefused)
        cursor = dropped
        if not cursor:
            return


def restore(
    restoring: Restoring[PublishedRecord],
    shard: int,
    epoch: int,
    records: Sequence[OutputRecord],
    random: Random,
) -> None:
    """Write everything that was published, every version, in batches of random sizes."""
    for topic in RESTORED_FROM:
        left = published(records, topic)
        while left:
            size = random.randint(1, 40)
            newest = {record.key: record for record in left[:size]}
            assert restoring.restore(shard, epoch, tuple(newest.values())) is None
            left = left[size:]


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
