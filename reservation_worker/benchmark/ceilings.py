"""Both ceilings of a backlog, on the same servers and the same facts, in the same order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reservation_worker.apply.batches import WaitingFact
from reservation_worker.benchmark.committed import done_of
from reservation_worker.benchmark.counting import count_changes
from reservation_worker.benchmark.figures import (
    StepCeiling,
    StepSize,
    TransactionCeiling,
    reached,
    rounded,
    spread,
)
from reservation_worker.benchmark.mix import Message
from reservation_worker.benchmark.pass_through import (
    Copy,
    PassThroughPlan,
    apart,
    copies_from,
    started_pass_through,
)
from reservation_worker.benchmark.place import Place
from reservation_worker.benchmark.seen import Seen, begin_group_at, waiting_fact
from reservation_worker.benchmark.stage import Reader
from reservation_worker.benchmark.step_ceiling import in_steps_of, measure_at
from reservation_worker.composition import build_clock, build_decoder
from reservation_worker.contracts.records import Record
from reservation_worker.embedded import Progress
from reservation_worker.ports import Partition
from reservation_worker.settings.model import Settings


@dataclass(frozen=True, slots=True)
class DrainedBacklog:
    """Where a run's records and events begin, and of what size its transactions were."""

    inputs: dict[Partition, int]
    outputs: dict[Partition, int]
    records: int
    changes: int
    events_per_record: float
    events_per_transaction: int

    def passed_through_by(self, group_id: str, copies: list[Copy]) -> PassThroughPlan:
        """Return what a process is told that does the same without any work between."""
        return PassThroughPlan(
            group_id=group_id,
            copies=copies,
            events_per_record=self.events_per_record,
            events_per_transaction=self.events_per_transaction,
            records_total=self.records,
            names_its_cause=False,
        )


def stocks_as_facts(messages: Sequence[Message], settings: Settings) -> list[WaitingFact]:
    """Return what counts the stocks."""
    decode = build_decoder(settings).decode
    topic, timestamp_ms = settings.topics.inventory_updated, build_clock().now_ms()
    records = [
        Record(topic, 0, offset, timestamp_ms, None, message.value, ())
        for offset, message in enumerate(messages)
    ]
    return [waiting_fact(record, decode(record, timestamp_ms)) for record in records]


class StepCeilingRuns:
    """The step script alone, behind each run of a worker, with the facts of that run."""

    def __init__(self, found: Place, say: Progress) -> None:
        self._measuring = measure_at(found)
        """None on a cluster: the script runs on several servers there."""
        self._settings = found.settings()
        self._say = say
        self.rates: list[float] = []
        """Of each turn; none on a cluster."""
        self._longest_ms: list[float] = []
        self._facts_per_step = 0.0

    def run(self, seen: Seen, stocks: Sequence[Message]) -> None:
        """Take a turn: the same facts, in the same order, in steps of the same sizes."""
        if self._measuring is None:
            return
        balances = stocks_as_facts(stocks, self._settings)
        turns = self._measuring.plan(seen.polls, balances)
        with self._measuring.run(turns, balances) as passed:
            self.rates.append(passed.changes / passed.seconds)
            if passed.longest_step_ms is not None:
                self._longest_ms.append(passed.longest_step_ms)
        steps = [step for turn in turns for step in turn]
        self._facts_per_step = sum(step.taken for step in steps) / len(steps)
        self._say(f"steps alone: {self.rates[-1]:,.0f} facts per second")

    def sizes(
        self, seen: Seen, stocks: Sequence[Message], facts_per_step: Iterable[int]
    ) -> list[StepSize]:
        """Run a backlog in steps of other sizes."""
        found: list[StepSize] = []
        if self._measuring is None:
            return found
        balances = stocks_as_facts(stocks, self._settings)
        everything = [tuple([one for poll in seen.polls for one in poll])]
        for size in facts_per_step:
            other = in_steps_of(self._measuring, size)
            with other.run(other.plan(everything, balances), balances) as passed:
                rate = rounded(passed.changes / passed.seconds)
                found.append(StepSize(size, rate, passed.longest_step_ms))
            self._say(f"steps alone, {size} facts each: {rate:,.0f} facts per second")
        return found

    def ceiling(
        self, worker: Sequence[float], valid: Sequence[int], sizes: Sequence[StepSize]
    ) -> StepCeiling | None:
        """Return what the turns have shown beside the rates of the worker's valid runs."""
        if self._measuring is None:
            return None
        return StepCeiling(
            facts_per_second=spread(self.rates),
            ratio=reached(worker, self.rates, valid),
            facts_per_step=rounded(self._facts_per_step),
            longest_step_ms=max(self._longest_ms, default=None),
            sizes=sizes,
        )


class TransactionCeilingRuns:
    """Kafka alone, behind each run of a worker: its records read, copies of outputs written."""

    def __init__(self, found: Place, say: Progress) -> None:
        self._found, self._say = found, say
        self._elsewhere = apart(found)
        self._elsewhere.create_topics()
        self.rates: list[float] = []
        """Of each turn."""

    def run(self, backlog: DrainedBacklog) -> None:
        """Take a turn: as many records and events, in transactions of the same size."""
        copies = copies_from(self._found, backlog.outputs)
        group_id = f"{self._found.settings().kafka.group_id}-through-{len(self.rates)}"
        begin_group_at(self._found, group_id, backlog.inputs)
        asked = backlog.passed_through_by(group_id, copies)
        self.rates.append(backlog.changes * _part_per_second(self._elsewhere, asked))
        self._say(f"transactions alone: {self.rates[-1]:,.0f} facts per second")

    def ceiling(self, worker: Sequence[float], valid: Sequence[int]) -> TransactionCeiling:
        """Return what the turns have shown beside the rates of the worker's valid runs."""
        return TransactionCeiling(spread(self.rates), reached(worker, self.rates, valid))


def _part_per_second(elsewhere: Place, asked: PassThroughPlan) -> float:
    """Return which part of a backlog passes through in a second."""
    reader = Reader(elsewhere)
    try:
        with (
            started_pass_through(elsewhere, asked),
            done_of(elsewhere, asked.group_id) as is_done,
        ):
            counted = count_changes(reader, {}, is_done)
            return counted.per_second / counted.total
    finally:
        reader.close()
