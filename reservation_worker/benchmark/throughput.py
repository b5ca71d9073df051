"""A backlog through the worker, and beside it what its servers could do at most."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from reservation_worker.benchmark.ceilings import (
    DrainedBacklog,
    StepCeilingRuns,
    TransactionCeilingRuns,
)
from reservation_worker.benchmark.committed import done_of, wait_until_committed
from reservation_worker.benchmark.counting import Counted, count_changes
from reservation_worker.benchmark.figures import Throughput, rounded, spread, valid_runs
from reservation_worker.benchmark.loads import Load
from reservation_worker.benchmark.mix import Message, Shops
from reservation_worker.benchmark.pass_through import output_ends
from reservation_worker.benchmark.place import Place
from reservation_worker.benchmark.plan import Plan
from reservation_worker.benchmark.seen import Seen, input_ends, see_again
from reservation_worker.benchmark.stage import Reader, send
from reservation_worker.benchmark.workers import Workers, workers
from reservation_worker.embedded import Progress
from reservation_worker.ports import Partition

EVENTS = "reservation_events_published_total"
TRANSACTIONS = "reservation_transactions_total:committed"
FACTS = "reservation_facts_total"
STEPS = "reservation_script_calls_total:applied"
INVALID = "invalid: above what its servers do alone, so one of both was disturbed"


@dataclass(frozen=True, slots=True)
class Drained:
    """A backlog that went through."""

    records: int
    counted: Counted
    counters: Mapping[str, float]
    """Of the workers, from their start."""

    @property
    def facts_per_second(self) -> float:
        """Changes per second."""
        return self.counted.per_second


@dataclass(frozen=True, slots=True)
class LastRun:
    """Where the last run's records and events begin, and which stocks it needs."""

    shops: Shops
    inputs: dict[Partition, int]
    outputs: dict[Partition, int]
    stocks: Sequence[Message]
    drained: Drained

    def backlog(self) -> DrainedBacklog:
        """Return what must be known to pass its records through once more."""
        events = self.drained.counters[EVENTS]
        return DrainedBacklog(
            self.inputs,
            self.outputs,
            self.drained.records,
            self.drained.counted.total,
            events / self.drained.records,
            round(events / self.drained.counters[TRANSACTIONS]),
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures, and what further measurements of the same backlog need."""

    throughput: Throughput
    seen: Seen
    last: LastRun


def measure(
    found: Place,
    load: Load,
    plan: Plan,
    say: Progress,
    check: Callable[[LastRun], None] | None = None,
) -> Measured:
    """Run warm-ups and runs; behind each run that counts both ceilings take a turn on its facts.

    The check is called after each run. A run above a ceiling of its own is not valid: one of the
    two was disturbed, and nobody can tell which.

    Raises:
        Stalled: nothing came for a long time.
    """
    drained: list[Drained] = []
    last: LastRun | None = None
    seen: Seen | None = None
    steps, transactions = StepCeilingRuns(found, say), TransactionCeilingRuns(found, say)
    for run in range(-plan.warm_ups, plan.runs):
        last = _run(found, load, plan, run)
        if check is not None:
            check(last)
        rate = last.drained.facts_per_second
        if run < 0:
            say(f"warm-up: {rate:,.0f} facts per second")
            continue
        drained.append(last.drained)
        seen = see_again(found, last.inputs)
        steps.run(seen, last.stocks)
        transactions.run(last.backlog())
        beside = [each[-1:] for each in (steps.rates, transactions.rates) if each]
        told = f"{rate:,.0f} facts per second" if valid_runs([rate], *beside) else INVALID
        say(f"run {run + 1} of {plan.runs}: {told}")
    assert last is not None
    assert seen is not None
    rates = [one.facts_per_second for one in drained]
    beside = [each for each in (steps.rates, transactions.rates) if each]
    valid = valid_runs(rates, *beside)
    sizes = steps.sizes(seen, last.stocks, plan.step_sizes)
    figures = replace(
        _throughput(load, drained, valid),
        step_ceiling=steps.ceiling(rates, valid, sizes),
        transaction_ceiling=transactions.ceiling(rates, valid),
    )
    return Measured(figures, seen, last)


def _run(found: Place, load: Load, plan: Plan, run: int) -> LastRun:
    name = f"run{run}" if run >= 0 else f"warm-up{-run}"
    shops = Shops(load.accounts, name, name=found.shops)
    stocks = list(load.stocks(shops))
    if load.are_stocks_of_a_run or run == -plan.warm_ups:
        count_stocks(found, stocks)
    inputs, outputs = input_ends(found), output_ends(found)
    facts = load.facts(shops, plan.seed + run + plan.warm_ups)
    return LastRun(shops, inputs, outputs, stocks, drain(found, facts, is_apart=plan.is_apart))


def count_stocks(found: Place, stocks: Iterable[Message]) -> None:
    """Have a worker count stocks, and wait until it is done.

    Raises:
        Stalled: it is not done in a long time.
    """
    with workers(found):
        send(found, stocks)
        wait_until_committed(found)


def drain(found: Place, facts: Iterable[Message], *, is_apart: bool = False) -> Drained:
    """Send a backlog, start a worker, and count what comes out of it.

    Raises:
        Stalled: nothing came for a long time.
    """
    reader = Reader(found)
    try:
        records = send(found, facts)
        with workers(found, apart=is_apart) as running:
            return count(found, reader, running, records)
    finally:
        reader.close()


def count(found: Place, reader: Reader, running: Workers, records: int) -> Drained:
    """Count changes until none comes any more.

    Raises:
        Stalled: none came for a long time.
    """
    process_ids = {f"worker {number}": one for number, one in enumerate(running.process_ids, 1)}
    if found.process_ids:
        process_ids |= {**found.process_ids, "reader": os.getpid()}
    with done_of(found) as is_done:
        counted = count_changes(reader, process_ids, is_done)
    return Drained(records, counted, running.counted())


def _throughput(load: Load, drained: Sequence[Drained], valid: Sequence[int]) -> Throughput:
    last = drained[-1]
    counters = last.counters
    events = counters[EVENTS]
    runs = [drained[number] for number in valid]
    used = {
        name: [one.counted.processor_seconds[name] / one.counted.timed for one in runs]
        for name in (last.counted.processor_seconds if runs else ())
    }
    return Throughput(
        accounts=load.accounts,
        records=last.records,
        changes=last.counted.total,
        facts_per_second=spread([one.facts_per_second for one in runs]) if runs else None,
        facts_per_step=rounded(counters[FACTS] / counters[STEPS]),
        events_per_fact=rounded(events / last.counted.total),
        events_per_transaction=rounded(events / counters[TRANSACTIONS]),
        processor_microseconds={
            name: rounded(sum(each) / len(each) * 1e6) for name, each in used.items()
        },
        invalid_runs=len(drained) - len(runs),
    )
