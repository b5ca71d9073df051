"""A Kafka in memory: partitions, groups with generations, transactions that are all or nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from reservation_worker.contracts.records import DeadLetter, OutputRecord, OutputTopic, Record
from reservation_worker.ports import (
    BrokerUnavailable,
    Clock,
    CommitFateUnknown,
    Membership,
    OwnershipLost,
    Partition,
    Position,
)


class Fault(Enum):
    """What may happen to one commit."""

    ABORTED = auto()
    """Nothing is committed, and the caller knows it."""
    LOST_AFTER_COMMIT = auto()
    """Everything is committed, and the caller does not know it."""
    LOST_BEFORE_COMMIT = auto()
    """Nothing is committed, and the caller does not know it."""


@dataclass(slots=True)
class Group:
    """The members of a group, and what each of them holds."""

    partitions: tuple[Partition, ...]
    generation: int = 0
    members: dict[str, dict[Partition, int]] = field(default_factory=dict)
    """By member, its partitions and the generation that each was assigned in."""

    def join(self, member_id: str) -> None:
        """Let a member in, and share the partitions out anew."""
        if member_id not in self.members:
            self.members[member_id] = {}
            self.rebalance()

    def leave(self, member_id: str) -> None:
        """Take a member out, whether it knows or not."""
        if self.members.pop(member_id, None) is not None:
            self.rebalance()

    def rebalance(self) -> None:
        """Share the partitions out; whoever keeps one keeps the generation it was assigned in."""
        self.generation += 1
        names = sorted(self.members)
        for number, name in enumerate(names):
            mine = self.partitions[number :: len(names)]
            held = self.members[name]
            self.members[name] = {
                partition: held.get(partition, self.generation) for partition in mine
            }

    def check(self, membership: Membership) -> None:
        """Refuse a membership of another generation.

        Raises:
            OwnershipLost: it is outdated.
        """
        if membership.member_id not in self.members or membership.token != self.generation:
            raise OwnershipLost("the membership is outdated")


class InMemoryBroker:
    """Everything is visible once committed; tests make commits fail."""

    def __init__(self, inputs: Mapping[str, int], shards_total: int, clock: Clock) -> None:
        """Create the input topics, by name with their numbers of partitions."""
        self._clock = clock
        partitions = [(name, number) for name, total in inputs.items() for number in range(total)]
        self.inputs: dict[Partition, list[Record | None]] = {
            partition: [] for partition in partitions
        }
        """None stands for a control record: it takes an offset and is never delivered."""
        self.apply_group = Group(tuple(partitions))
        self.shard_group = Group(tuple(("reservation-shards", n) for n in range(shards_total)))
        self.committed: dict[Partition, int] = {}
        self.topic_ids = dict.fromkeys(inputs, "first")
        """By input topic; a test that creates one anew gives it another."""
        self.committed_topic_ids: dict[str, str] = {}
        """Which of them the committed offsets belong to."""
        self.positions: dict[int, Position] = {}
        self.outputs: list[OutputRecord] = []
        self.written_at_ms: list[int] = []
        """The timestamp of each of them."""
        self.dead_letters: list[DeadLetter] = []
        self.faults: list[Fault] = []
        """What happens to the next transactions, first come first served."""
        self.commits_total = 0

    def append(self, topic: str, partition: int, value: bytes | None, timestamp_ms: int) -> int:
        """Write an input record, and return its offset."""
        log = self.inputs[topic, partition]
        log.append(Record(topic, partition, len(log), timestamp_ms, None, value, ()))
        return len(log) - 1

    def append_control_record(self, topic: str, partition: int) -> None:
        """Write what a producer's transaction leaves behind its records."""
        self.inputs[topic, partition].append(None)

    def commit_input(
        self,
        offsets: Mapping[Partition, int],
        dead_letters: Iterable[DeadLetter],
        membership: Membership,
    ) -> None:
        """Commit offsets and dead letters together.

        Raises:
            OwnershipLost: the membership is outdated.
            BrokerUnavailable: a fault; nothing is committed.
            CommitFateUnknown: a fault.
        """
        self.apply_group.check(membership)
        fault = self._next_fault()
        if fault is not Fault.LOST_BEFORE_COMMIT:
            self.committed.update(offsets)
            self.committed_topic_ids.update({one: self.topic_ids[one] for one, _ in offsets})
            self.dead_letters.extend(dead_letters)
        self._tell(fault)

    def commit_output(
        self,
        records: Iterable[OutputRecord],
        positions: Mapping[int, Position],
        membership: Membership,
    ) -> None:
        """Commit records and positions together.

        Raises:
            OwnershipLost: the membership is outdated.
            BrokerUnavailable: a fault; nothing is committed.
            CommitFateUnknown: a fault.
        """
        self.shard_group.check(membership)
        fault = self._next_fault()
        if fault is not Fault.LOST_BEFORE_COMMIT:
            for record in records:
                if record.topic is OutputTopic.DEAD_LETTER:
                    self.dead_letters.append(DeadLetter(record.key, record.value, record.headers))
                else:
                    self.outputs.append(record)
                    self.written_at_ms.append(self._clock.now_ms())
            self.positions.update(positions)
        self._tell(fault)

    def _next_fault(self) -> Fault | None:
        self.commits_total += 1
        fault = self.faults.pop(0) if self.faults else None
        if fault is Fault.ABORTED:
            raise BrokerUnavailable("aborted by a test")
        return fault

    @staticmethod
    def _tell(fault: Fault | None) -> None:
        if fault is not None:
            raise CommitFateUnknown("lost by a test")
