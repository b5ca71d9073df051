"""The script of the day, played on the ledger without any server."""

import pytest

from reservation_worker.audit.verdict import Verdict
from reservation_worker.demo.day import Action, write_day
from tests.audit.ledger_worker import LedgerWorker

STARTED_AT_MS = 1_795_000_000_000


def _play(seed: int) -> Verdict:
    worker = LedgerWorker()
    for record in write_day(seed, STARTED_AT_MS).records:
        at_ms = STARTED_AT_MS + record.at_ms
        worker.pass_time(at_ms)
        worker.take(worker.receive(record.topic, record.value, at_ms, record.headers))
    worker.pass_time(worker.now_ms + 10_000)
    return worker.verdict()


def test_same_seed_writes_the_same_bytes() -> None:
    """A red verdict is repeated by its seed."""
    assert write_day(7, STARTED_AT_MS) == write_day(7, STARTED_AT_MS)


def test_another_seed_writes_another_day() -> None:
    """Or several seeds would prove no more than one."""
    assert write_day(7, STARTED_AT_MS).records != write_day(8, STARTED_AT_MS).records


def test_records_and_faults_stand_in_order_of_time() -> None:
    """The stage plays them as they come."""
    day = write_day(7, STARTED_AT_MS)
    assert sorted(day.records, key=lambda record: record.at_ms) == list(day.records)
    assert sorted(day.faults, key=lambda fault: fault.at_ms) == list(day.faults)
    assert set(Action) == {fault.action for fault in day.faults}


@pytest.mark.parametrize("seed", [1, 2])
def test_every_law_is_checked_and_holds_when_the_ledger_plays_the_day(seed: int) -> None:
    """A day that misses a kind of outcome would prove nothing about it."""
    verdict = _play(seed)
    assert [] == [example for law in verdict.laws for example in law.examples]
    assert verdict.holds
    counts = {name: number for law in verdict.laws for name, number in law.counts}
    for name in (
        "in effect",
        "refused",
        "conflicts",
        "repeats",
        "dead letters",
        "payments in time that won",
        "expiries without a payment in time",
        "late payments, held again",
        "late payments, refunded",
        "orders told backwards",
        "acknowledgements right after their change",
    ):
        assert counts.get(name, 0) > 0, f"seed {seed}: the day has no {name}"
