"""What is shown while the day goes on comes from the topics."""

from reservation_worker.audit.verdict import Findings, Law
from reservation_worker.contracts.records import EVENT_TOPICS
from reservation_worker.demo.tally import Report, Tally, Tallying, read_report, report_line
from tests.audit.ledger_worker import DEAD_LETTER_TOPIC
from tests.audit.small_day import MORNING_MS, Shop, ordinary_shop


def _tally(shop: Shop, overdue_at_ms: int = 0) -> Tally:
    tallying = Tallying({topic.value: topic for topic in EVENT_TOPICS}, DEAD_LETTER_TOPIC)
    tallying.take(shop.worker.inputs)
    tallying.take(shop.worker.outputs)
    return tallying.tally(overdue_at_ms)


def test_records_and_reservations_are_counted() -> None:
    """A reservation counts with its newest status."""
    tally = _tally(ordinary_shop())
    assert 9 == tally.inputs
    assert 1 == tally.dead_letters
    assert 1 == tally.refusals
    assert {"Acknowledged": 1, "Confirmed": 1, "Denied": 1, "Expired": 1} == tally.statuses


def test_unpaid_reservation_is_overdue_after_its_deadline_until_it_is_expired() -> None:
    """The end of the day waits for these."""
    shop = Shop()
    shop.count(0, 5)
    shop.order(100, "unpaid", seconds_to_live=2)
    assert 0 == _tally(shop, MORNING_MS + 2_000).overdue
    assert 1 == _tally(shop, MORNING_MS + 2_200).overdue
    shop.pass_time(5_000)
    assert 0 == _tally(shop, MORNING_MS + 5_000).overdue


def test_report_crosses_the_pipe_unchanged() -> None:
    """The auditor is another process."""
    findings = Findings()
    findings.check(Law.SOLD_ONCE, "stocks", holds=False, violation="two buyers, one mug")
    for report in (Report(tally=_tally(ordinary_shop())), Report(verdict=findings.verdict())):
        assert report == read_report(report_line(report))
