"""Facts that wait for their shard's next step, in the order in which they were read."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping

from reservation_worker.apply.batches import WaitingFact
from reservation_worker.domain.facts import (
    BalanceCounted,
    DeadlineReached,
    Fact,
    OrderCanceled,
    OrderCompleted,
    OrderInvoiced,
    PaymentApproved,
    ReservationSettlementDue,
    RetentionReached,
    StockSettlementDue,
)
from reservation_worker.ports import Partition


class ShardQueues:
    """One queue per shard, and how much all of them hold."""

    def __init__(self, facts_per_step_max: int, lines_per_step_max: int) -> None:
        """Take the bounds of one step."""
        self._facts_per_step_max = facts_per_step_max
        self._lines_per_step_max = lines_per_step_max
        self._queues: dict[int, deque[WaitingFact]] = {}
        self.facts_total = 0
        self.bytes_total = 0

    def add(self, shard: int, waiting: WaitingFact) -> None:
        """Append a fact to its shard's queue."""
        self._queues.setdefault(shard, deque()).append(waiting)
        self.facts_total += 1
        self.bytes_total += waiting.record_bytes

    def shards(self) -> Iterator[int]:
        """Return the shards that have something to do."""
        return iter([shard for shard, queue in self._queues.items() if queue])

    def next_step(self, shard: int, facts_max: int | None = None) -> tuple[WaitingFact, ...]:
        """Return what the next step of a shard may take; it stays in the queue."""
        facts_max = self._facts_per_step_max if facts_max is None else facts_max
        taken: list[WaitingFact] = []
        lines_total = 0
        for waiting in self._queues[shard]:
            lines_total += lines_of(waiting.fact)
            if taken and (len(taken) >= facts_max or lines_total > self._lines_per_step_max):
                break
            taken.append(waiting)
        return tuple(taken)

    def remove(self, shard: int, facts_total: int) -> None:
        """Take out the facts that a step has taken."""
        queue = self._queues[shard]
        for _ in range(facts_total):
            self.bytes_total -= queue.popleft().record_bytes
        self.facts_total -= facts_total

    def drop_partitions(self, partitions: frozenset[Partition]) -> None:
        """Forget what was read from these: another member reads it again.

        It may have been applied and removed long before a worker that slept would apply it.
        """
        self._drop(lambda partition: partition in partitions)

    def drop_all_but(self, topic: str) -> Mapping[Partition, int]:
        """Forget what was read from all topics but one; return where to read on, by partition."""
        return self._drop(lambda partition: partition[0] != topic)

    def _drop(self, is_dropped: Callable[[Partition], bool]) -> Mapping[Partition, int]:
        queues = self._queues
        self.drop_all()
        firsts: dict[Partition, int] = {}
        for shard, queue in queues.items():
            for waiting in queue:
                partition = (waiting.record.topic, waiting.record.partition)
                if is_dropped(partition):
                    waiting.batch.waiting_facts -= 1
                    offset = waiting.record.offset
                    firsts[partition] = min(offset, firsts.get(partition, offset))
                else:
                    self.add(shard, waiting)
        return firsts

    def drop_all(self) -> None:
        """Forget everything: it will be read again."""
        self._queues = {}
        self.facts_total = 0
        self.bytes_total = 0


def lines_of(fact: Fact) -> int:
    """Return how many lines a fact names, at least 1; a whole one counts as 1."""
    match fact:
        case OrderCompleted() | OrderInvoiced() | OrderCanceled():
            return len(fact.lines) or 1
        case (
            PaymentApproved()
            | BalanceCounted()
            | DeadlineReached()
            | RetentionReached()
            | StockSettlementDue()
            | ReservationSettlementDue()
        ):
            return 1
