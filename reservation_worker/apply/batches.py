"""What was read and is not committed yet, and the rule that says when it may be.

A partition's offsets may be committed up to the end of the last batch of which, and of every
earlier one, every touched shard has published the step in its reply, in the same epoch.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from reservation_worker.contracts.records import Record, Rejection
from reservation_worker.domain.facts import Fact
from reservation_worker.domain.values import value_class
from reservation_worker.ports import Membership, Partition, StepCall


@value_class(frozen=True, slots=True)
class Unusable:
    """A record that becomes a dead letter when its offset is committed."""

    record: Record
    rejection: Rejection


@dataclass(slots=True)
class Batch:
    """What one poll brought."""

    ends: dict[Partition, int]
    """The offsets to commit; partitions that were revoked since are taken out."""
    membership: Membership | None
    records_total: int
    waiting_facts: int = 0
    """Not applied yet."""
    touched: dict[int, tuple[int, int]] = field(default_factory=dict)
    """By shard: epoch and step that must be published."""
    unusable: list[Unusable] = field(default_factory=list)

    def touch(self, shard: int, epoch: int, step: int) -> None:
        """Record that facts of this batch are in effect at a step, or repeat what is."""
        self.touched[shard] = (epoch, step)

    def refuse(self, record: Record, rejection: Rejection) -> None:
        """Keep a record for the dead letters, unless its partition was revoked since.

        Then its offset is somebody else's to commit, and so is its dead letter.
        """
        if (record.topic, record.partition) in self.ends:
            self.unusable.append(Unusable(record, rejection))


@value_class(frozen=True, slots=True)
class Committable:
    """A prefix of the batches, ready to be committed."""

    batches_total: int
    offsets: Mapping[Partition, int]
    unusable: Sequence[Unusable]
    membership: Membership | None
    """Of the oldest batch: never newer than any of the records."""


@value_class(frozen=True, slots=True)
class WaitingFact:
    """A fact that is not applied yet, and where it came from."""

    fact: Fact
    record: Record
    record_bytes: int
    batch: Batch


def step_call(shard: int, epoch: int, waiting: Sequence[WaitingFact]) -> StepCall:
    """Return the step of some facts of a shard."""
    records_at_ms = max([one.record.timestamp_ms for one in waiting])
    return StepCall(shard, epoch, [one.fact for one in waiting], records_at_ms)


class Published:
    """The highest step of each shard that is known to be published, and in which epoch."""

    def __init__(self) -> None:
        """Know nothing."""
        self._steps: dict[int, tuple[int, int]] = {}

    def learn(self, shard: int, epoch: int, step: int) -> None:
        """Take what a verified server said; of another epoch than before, it replaces that."""
        known_epoch, known_step = self._steps.get(shard, (epoch, 0))
        self._steps[shard] = (epoch, max(step, known_step) if epoch == known_epoch else step)

    def known(self, shard: int) -> tuple[int, int] | None:
        """Return epoch and step that are known to be published; None: nothing is known."""
        return self._steps.get(shard)

    def covers(self, shard: int, epoch: int, step: int) -> bool:
        """Tell whether a step is published, in the epoch in which it was made."""
        known = self._steps.get(shard)
        return known is not None and known[0] == epoch and known[1] >= step


class InFlight:
    """All batches whose offsets are not committed, oldest first."""

    def __init__(self) -> None:
        """Begin with nothing in flight."""
        self._batches: deque[Batch] = deque()
        self.records_total = 0

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self._batches)

    def add(self, batch: Batch) -> None:
        """Append what was read last."""
        self._batches.append(batch)
        self.records_total += batch.records_total

    def drop_all(self) -> None:
        """Forget everything in hand: it will be read again."""
        self._batches.clear()
        self.records_total = 0

    def drop_partitions(self, revoked: frozenset[Partition]) -> None:
        """Forget what was read from partitions that somebody else reads now."""
        for batch in self._batches:
            for partition in revoked & batch.ends.keys():
                del batch.ends[partition]
            batch.unusable = [
                unusable
                for unusable in batch.unusable
                if (unusable.record.topic, unusable.record.partition) not in revoked
            ]

    def touched_in_other_epoch(self, shard: int, epoch: int) -> bool:
        """Tell whether uncommitted facts of a shard were applied in another epoch."""
        return any(
            shard in batch.touched and batch.touched[shard][0] != epoch for batch in self._batches
        )

    def unpublished_shards(self, published: Published) -> frozenset[int]:
        """Return the shards whose published step keeps applied batches from being committed."""
        return frozenset(
            shard
            for batch in self._applied()
            for shard, (epoch, step) in batch.touched.items()
            if not published.covers(shard, epoch, step)
        )

    def committable(self, published: Published, dead_letters_max: int) -> Committable | None:
        """Return the longest prefix that may be committed; None if there is none."""
        offsets: dict[Partition, int] = {}
        unusable: list[Unusable] = []
        batches_total = 0
        for batch in self._applied():
            if not all(
                published.covers(shard, epoch, step)
                for shard, (epoch, step) in batch.touched.items()
            ):
                break
            if unusable and len(unusable) + len(batch.unusable) > dead_letters_max:
                break
            batches_total += 1
            offsets.update(batch.ends)
            unusable.extend(batch.unusable)
        if not batches_total:
            return None
        return Committable(batches_total, offsets, unusable, self._batches[0].membership)

    def remove(self, committed: Committable) -> None:
        """Forget a prefix that was committed."""
        for _ in range(committed.batches_total):
            self.records_total -= self._batches.popleft().records_total

    def _applied(self) -> Iterator[Batch]:
        for batch in self._batches:
            if batch.waiting_facts:
                return
            yield batch
