"""All that a member of the group has read and not committed, and what it knows of it."""

from dataclasses import dataclass, field

from reservation_worker.apply.batches import InFlight, Published
from reservation_worker.apply.queues import ShardQueues


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

    @property
    def bytes_total(self) -> int:
        """Bytes of the records in memory: of facts that wait for their step, and dead letters."""
        return self.queues.bytes_total

    def drop_all(self) -> None:
        """Forget everything that was read."""
        self.batches.drop_all()
        self.queues.drop_all()
