"""The Kafka ports in memory, for tests of the loops: they keep the contracts of the real ones."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from reservation_worker.adapters.in_memory.broker import InMemoryBroker
from reservation_worker.contracts.records import (
    RESTORED_FROM,
    SOURCE_HEADER,
    DeadLetter,
    OutputRecord,
    PublishedRecord,
    Record,
    step_of,
)
from reservation_worker.ports import (
    BrokerUnavailable,
    Membership,
    OwnedShards,
    OwnershipLost,
    Partition,
    PaymentEnds,
    Polled,
    Position,
    PublishedBy,
    Waypoint,
)


class InMemoryInputLog:
    """One member of the apply group."""

    def __init__(
        self,
        broker: InMemoryBroker,
        member_id: str,
        waypoint: Callable[[Waypoint], None] = lambda _waypoint: None,
    ) -> None:
        self._broker = broker
        self._member_id = member_id
        self._waypoint = waypoint
        self._held: dict[Partition, int] = {}
        self._positions: dict[Partition, int] = {}
        self._ends_told: dict[Partition, int] = {}
        self.paused = False

    def poll(self, timeout_ms: int, records_max: int, linger_ms: int = 0) -> Polled[Record]:
        """Return what is there; never wait."""
        assert timeout_ms >= 0
        assert linger_ms >= 0
        group = self._broker.apply_group
        group.join(self._member_id)
        revoked = self._rebalanced(group.members[self._member_id])
        records: list[Record] = []
        read_up_to: dict[Partition, int] = {}
        for partition in () if self.paused else sorted(self._held):
            log = self._broker.inputs[partition]
            position = self._positions[partition]
            while position < len(log) and len(records) < records_max:
                record = log[position]
                position += 1
                if record is not None:
                    records.append(record)
                    read_up_to[partition] = position
            self._positions[partition] = position
            if position == len(log) and self._ends_told.get(partition) != position:
                self._ends_told[partition] = position
                read_up_to[partition] = position
        membership = Membership(self._member_id, group.generation)
        return Polled(tuple(records), read_up_to, revoked, membership)

    def held(self) -> frozenset[Partition]:
        """Return the partitions that are assigned to this member, as far as it knows."""
        return frozenset(self._held)

    def set_paused(self, *, paused: bool) -> None:
        """Stop or resume reading."""
        self.paused = paused

    def commit(
        self,
        offsets: Mapping[Partition, int],
        dead_letters: Sequence[DeadLetter],
        membership: Membership | None,
    ) -> None:
        """Commit offsets, in one transaction with the dead letters if there are any."""
        if not offsets:
            assert not dead_letters
            return
        if dead_letters:
            if membership is None:
                raise OwnershipLost("the records were read outside of the group")
            self._waypoint(Waypoint.DEAD_LETTERS_PRODUCED)
            self._waypoint(Waypoint.DEAD_LETTERS_OFFSETS_SENT)
            self._broker.commit_input(offsets, dead_letters, membership)
            self._waypoint(Waypoint.DEAD_LETTERS_COMMITTED)
            return
        if self._broker.apply_group.members.get(self._member_id) != self._held:
            raise BrokerUnavailable("a rebalance is under way")
        self._broker.committed.update(offsets)

    def seek_to_committed(self) -> None:
        """Read every held partition again from its committed offset."""
        for partition in self._held:
            self._positions[partition] = self._broker.committed.get(partition, 0)
            self._ends_told.pop(partition, None)

    def close(self) -> None:
        """Leave the group."""
        self._broker.apply_group.leave(self._member_id)

    def _rebalanced(self, assigned: dict[Partition, int]) -> frozenset[Partition]:
        changed = frozenset(
            partition
            for partition in self._held.keys() | assigned.keys()
            if self._held.get(partition) != assigned.get(partition)
        )
        self._held = dict(assigned)
        for partition in changed:
            self._positions[partition] = self._broker.committed.get(partition, 0)
            self._ends_told.pop(partition, None)
        return changed


class InMemoryShardGroup:
    """One member of the group that owns shards."""

    def __init__(self, broker: InMemoryBroker, member_id: str) -> None:
        self._broker = broker
        self._member_id = member_id

    def poll(self) -> OwnedShards:
        """Capture ownership and membership together."""
        group = self._broker.shard_group
        group.join(self._member_id)
        tenures = {
            number: tenure for (_topic, number), tenure in group.members[self._member_id].items()
        }
        return OwnedShards(tenures, Membership(self._member_id, group.generation))

    def positions(self, shards: Sequence[int]) -> Mapping[int, Position | None]:
        """Read positions; None where there is none."""
        return {shard: self._broker.positions.get(shard) for shard in shards}

    def close(self) -> None:
        """Leave the group."""
        self._broker.shard_group.leave(self._member_id)


class InMemoryTransactions:
    """Publishes outboxes and positions together."""

    def __init__(
        self,
        broker: InMemoryBroker,
        waypoint: Callable[[Waypoint], None] = lambda _waypoint: None,
    ) -> None:
        self._broker = broker
        self._waypoint = waypoint

    @property
    def producer(self) -> str:
        """Nobody's: no transaction stays open here."""
        return ""

    def end_of(self, producer: str) -> None:
        """End nothing."""

    def prepare(self) -> None:
        """Be ready at once."""

    def commit(
        self,
        records: Sequence[OutputRecord],
        positions: Mapping[int, Position],
        membership: Membership,
    ) -> None:
        """Write records and positions in one transaction."""
        assert membership.member_id
        self._waypoint(Waypoint.PUBLISH_BEFORE_COMMIT if records else Waypoint.TAKEOVER_BEFORE_MINT)
        self._broker.commit_output(records, positions, membership)

    def close(self) -> None:
        """Give nothing up."""


class InMemoryOutputs:
    """The output topics, read back."""

    def __init__(self, broker: InMemoryBroker) -> None:
        self._broker = broker

    def yield_nothing(self, shard: int) -> bool:
        """Tell whether no committed record stands in the shard's output partitions."""
        return all(record.partition != shard for record in self._broker.outputs)

    def read_back(self, shard: int) -> "InMemoryReadBack":
        """Begin to read the newest state of a shard."""
        return InMemoryReadBack(self._broker, shard)


class InMemoryReadBack:
    """One pass over what is published of a shard: all stocks first, then all reservations."""

    def __init__(self, broker: InMemoryBroker, shard: int) -> None:
        outputs = broker.outputs
        self._records = [
            PublishedRecord(topic, one.key, one.value, offset, broker.written_at_ms[offset])
            for topic in RESTORED_FROM
            for offset, one in enumerate(outputs)
            if one.partition == shard and one.topic is topic
        ]
        self._sources = sources_of(
            (topic.value, offset, header[1].decode())
            for topic in RESTORED_FROM
            for offset, one in enumerate(outputs)
            if one.partition == shard and one.topic is topic
            for header in one.headers
            if header[0] == SOURCE_HEADER
        )
        self._steps = [step_of(dict(one.headers)) for one in outputs if one.partition == shard]

    @property
    def finished(self) -> bool:
        """Whether everything has been returned."""
        return not self._records

    @property
    def highest_step(self) -> int:
        """The highest step whose events are there; 0: none."""
        return max(self._steps, default=0)

    @property
    def sources(self) -> Sequence[PublishedBy]:
        """Who has published what is there."""
        return self._sources

    @property
    def records_left(self) -> int:
        """So many records are still to come."""
        return len(self._records)

    def read(self, records_max: int) -> Sequence[PublishedRecord]:
        """Return the next records in the order of their partition, all of one topic."""
        topic = self._records[0].topic if self._records else None
        taken: list[PublishedRecord] = []
        while len(taken) < records_max and self._records and self._records[0].topic is topic:
            taken.append(self._records.pop(0))
        return taken

    def close(self) -> None:
        """Read no further."""


def sources_of(told: Iterable[tuple[str, int, str]]) -> list[PublishedBy]:
    """Gather topic, offset and source of each record."""
    found: dict[tuple[str, str], PublishedBy] = {}
    for topic, offset, source in told:
        before = found.get((topic, source))
        first = offset if before is None else before.first_offset
        found[topic, source] = PublishedBy(topic, source, first, offset)
    return list(found.values())


class InMemoryPaymentOffsets:
    """How far the payment topic reaches, and how far it is committed."""

    def __init__(self, broker: InMemoryBroker, topic: str) -> None:
        self._broker = broker
        self._topic = topic

    def ends(self) -> PaymentEnds:
        """Return the end of every partition."""
        offsets = {
            number: len(log)
            for (topic, number), log in self._broker.inputs.items()
            if topic == self._topic
        }
        return PaymentEnds(self._broker.topic_ids[self._topic], offsets)

    def committed_offsets(self, topic_id: str) -> Mapping[int, int]:
        """Return what the apply group has committed of this very topic, by partition."""
        if topic_id != self._broker.committed_topic_ids.get(self._topic, topic_id):
            return {}
        return {
            number: offset
            for (topic, number), offset in self._broker.committed.items()
            if topic == self._topic
        }
