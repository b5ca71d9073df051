"""All that a member of the group has read and not committed, and what it knows of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reservation_worker.apply.batches import InFlight, Published
from reservation_worker.apply.queues import ShardQueues
from reservation_worker.contracts.records import Rejection
from reservation_worker.ports import Partition


@dataclass(slots=True)
class InHand:
    """Shared by what reads, what applies, and what commits."""

    queues: ShardQueues
    batches: InFlight = field(default_factory=InFlight)
    published: Published = field(default_factory=Published)
    heard_shards: set[int] = field(default_factory=set)
    """Whose replies have told what is published since it was last asked for."""
    must_seek: bool = False
    """It proves nothing any more: drop it, and read it again from what is committed."""

    undecidable: dict[Partition, dict[int, Rejection]] = field(default_factory=dict)
    """Facts on which the step's script broke alone, by offset, until they are committed.

    Were their shard torn by it, they would be read again, and tear it again when it is rebuilt.
    """

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """Forget what is behind the group's committed offsets."""
        for partition in offsets.keys() & self.undecidable.keys():
            found = self.undecidable[partition]
            left = {offset: one for offset, one in found.items() if offset >= offsets[partition]}
            if left:
                self.undecidable[partition] = left
            else:
                del self.undecidable[partition]

    def drop_partitions(self, revoked: frozenset[Partition]) -> None:
        """Forget what was read from partitions that somebody else reads now."""
        self.batches.drop_partitions(revoked)
        self.queues.drop_partitions(revoked)
        for partition in revoked & self.undecidable.keys():
            del self.undecidable[partition]

    @property
    def bytes_total(self) -> int:
        """Bytes of the records in memory: of facts that wait for their step, and dead letters."""
        return self.queues.bytes_total + self.batches.letters_bytes

    def drop_all(self) -> None:
        """Forget everything that was read."""
        self.batches.drop_all()
        self.queues.drop_all()
