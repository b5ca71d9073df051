"""What was read and is not committed yet, and the rule that says when it may be.

A partition's offsets may be committed up to the end of the last batch of which, and of every
earlier one, every touched shard has published the step in its reply, in the same epoch.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from reservation_worker.contracts.records import Record, Rejection, record_bytes
from reservation_worker.domain.facts import Fact
from reservation_worker.domain.values import value_class
from reservation_worker.ports import Membership, Partition, StepCall


@value_class(frozen=True, slots=True)
class Unusable:
    """A record that becomes a dead letter when its offset is committed."""

    record: Record
    rejection: Rejection

    @property
    def record_bytes(self) -> int:
        """What it takes in memory, and about what its dead letter takes in a commit."""
        return record_bytes(self.record)


@dataclass(slots=True)
class Batch:
    """What one poll brought, or a part of it: no more than one commit carries as dead letters."""

    ends: dict[Partition, int]
    """The offsets to commit; partitions that were revoked since are taken out."""
    membership: Membership | None
    records_total: int = 0
    records_bytes: int = 0
    waiting_facts: int = 0
    """Not applied yet."""
    touched: dict[int, tuple[int, int]] = field(default_factory=dict)
    """By shard: epoch and step that must be published."""
    unusable: list[Unusable] = field(default_factory=list)

    def hold(self, record: Record, bytes_total: int) -> None:
        """Take a record in, behind those of its partition that came before."""
        self.records_total += 1
        self.records_bytes += bytes_total
        self.ends[record.topic, record.partition] = record.offset + 1

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
class CommitBounds:
    """What one commit may carry; a single record may be larger."""

    letters_max: int
    bytes_max: int


@value_class(frozen=True, slots=True)
class Committable:
    """A prefix of the batches, ready to be committed."""

    batches_total: int
    offsets: Mapping[Partition, int]
    unusable: Sequence[Unusable]
    membership: Membership | None
    """Of the oldest batch: never newer than any of the records."""
    is_cut: bool
    """More could be committed, but for the bounds of one commit."""


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
        self.letters_bytes = 0
        """Of the records that wait to become dead letters."""

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self._batches)

    def add(self, batch: Batch) -> None:
        """Append what was read last."""
        self._batches.append(batch)
        self.records_total += batch.records_total
        self.letters_bytes += _letters_bytes(batch)

    def refuse(self, batch: Batch, record: Record, rejection: Rejection) -> None:
        """Keep a record of a batch that was added for the dead letters, as `Batch.refuse` does."""
        letters_total = len(batch.unusable)
        batch.refuse(record, rejection)
        self.letters_bytes += sum(one.record_bytes for one in batch.unusable[letters_total:])

    def drop_all(self) -> None:
        """Forget everything in hand: it will be read again."""
        self._batches.clear()
        self.records_total = self.letters_bytes = 0

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
        self.letters_bytes = sum(map(_letters_bytes, self._batches))

    def cut(self, firsts: Mapping[Partition, int]) -> None:
        """Forget of these partitions what is at an offset or behind it: it is read again."""
        for batch in self._batches:
            for partition in firsts.keys() & batch.ends.keys():
                batch.ends[partition] = min(batch.ends[partition], firsts[partition])
            batch.unusable = [
                unusable
                for unusable in batch.unusable
                if unusable.record.offset
                < firsts.get(
                    (unusable.record.topic, unusable.record.partition), unusable.record.offset + 1
                )
            ]
        self.letters_bytes = sum(map(_letters_bytes, self._batches))

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

    def committable(self, published: Published, bounds: CommitBounds) -> Committable | None:
        """Return the longest prefix that may be committed at once; None if there is none."""
        offsets: dict[Partition, int] = {}
        unusable: list[Unusable] = []
        batches_total = bytes_total = 0
        is_cut = False
        for batch in self._applied():
            if not all(
                published.covers(shard, epoch, step)
                for shard, (epoch, step) in batch.touched.items()
            ):
                break
            bytes_total += _letters_bytes(batch)
            is_cut = bool(unusable) and (
                len(unusable) + len(batch.unusable) > bounds.letters_max
                or bytes_total > bounds.bytes_max
            )
            if is_cut:
                break
            batches_total += 1
            offsets.update(batch.ends)
            unusable.extend(batch.unusable)
        if not batches_total:
            return None
        membership = self._batches[0].membership
        return Committable(batches_total, offsets, unusable, membership, is_cut)

    def remove(self, committed: Committable) -> None:
        """Forget a prefix that was committed."""
        for _ in range(committed.batches_total):
            batch = self._batches.popleft()
            self.records_total -= batch.records_total
            self.letters_bytes -= _letters_bytes(batch)

    def _applied(self) -> Iterator[Batch]:
        for batch in self._batches:
            if batch.waiting_facts:
                return
            yield batch


def _letters_bytes(batch: Batch) -> int:
    return sum(one.record_bytes for one in batch.unusable)
