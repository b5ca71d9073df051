"""Both ceilings of a backlog, on the same servers and the same facts, in the same order."""

from collections.abc import Sequence
from dataclasses import dataclass

from reservation_worker.apply.batches import WaitingFact
from reservation_worker.benchmark.counting import count_changes
from reservation_worker.benchmark.figures import (
    Spread,
    StepCeiling,
    StepSize,
    TransactionCeiling,
    ratio,
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
from reservation_worker.benchmark.plan import Plan
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
    return [waiting_fact(record, decode(record)) for record in records]


def measure_step_ceiling(
    found: Place, plan: Plan, seen: Seen, stocks: Sequence[Message], worker: Spread, say: Progress
) -> StepCeiling | None:
    """Run the step script alone over the facts of a backlog, run for run, then at other sizes.

    None on a cluster: the script runs on several servers there.
    """
    measuring = measure_at(found)
    if measuring is None:
        return None
    balances = stocks_as_facts(stocks, found.settings())
    turns = measuring.plan(seen.polls, balances)
    rates, longest = [], []
    for _ in range(plan.runs):
        with measuring.run(turns, balances) as passed:
            rates.append(passed.changes / passed.seconds)
            longest.append(passed.longest_step_ms)
        say(f"steps alone: {rates[-1]:,.0f} facts per second")
    sizes = []
    everything = [tuple([one for poll in seen.polls for one in poll])]
    for size in plan.step_sizes:
        other = in_steps_of(measuring, size)
        with other.run(other.plan(everything, balances), balances) as passed:
            rate = rounded(passed.changes / passed.seconds)
            sizes.append(StepSize(size, rate, passed.longest_step_ms))
        say(f"steps alone, {size} facts each: {rate:,.0f} facts per second")
    steps = [step for turn in turns for step in turn]
    return StepCeiling(
        facts_per_second=spread(rates),
        ratio=ratio(worker, spread(rates)),
        facts_per_step=rounded(sum(step.taken for step in steps) / len(steps)),
        longest_step_ms=max((one for one in longest if one is not None), default=None),
        sizes=sizes,
    )


def measure_transaction_ceiling(
    found: Place,
    plan: Plan,
    backlog: DrainedBacklog,
    worker: Spread,
    say: Progress,
) -> TransactionCeiling:
    """Read the records of a backlog and write copies of real outputs, and do nothing between."""
    elsewhere = apart(found)
    elsewhere.create_topics()
    copies = copies_from(found, backlog.outputs)
    rates = []
    for run in range(plan.runs):
        group_id = f"{found.settings().kafka.group_id}-through-{run}"
        begin_group_at(found, group_id, backlog.inputs)
        asked = backlog.passed_through_by(group_id, copies)
        rates.append(backlog.changes * _part_per_second(elsewhere, asked))
        say(f"transactions alone: {rates[-1]:,.0f} facts per second")
    found_rates = spread(rates)
    return TransactionCeiling(found_rates, ratio(worker, found_rates))


def _part_per_second(elsewhere: Place, asked: PassThroughPlan) -> float:
    """Return which part of a backlog passes through in a second."""
    reader = Reader(elsewhere)
    try:
        with started_pass_through(elsewhere, asked):
            counted = count_changes(reader, {})
            return counted.per_second / counted.total
    finally:
        reader.close()
