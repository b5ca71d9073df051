"""Until when goods may have left whose invoice names only the day."""

from zoneinfo import ZoneInfo

import pytest

from reservation_worker.contracts.instants import parse_instant_ms
from reservation_worker.domain.deadline import INSTANT_MAX_MS, end_of_day_ms
from reservation_worker.domain.outcome import OutcomeKind
from tests.domain.laws import apply_lawfully
from tests.domain.shop import balance, invoice, line, order, reservation_id
from tests.domain.test_bounds_and_causes import apply_all


@pytest.mark.parametrize(
    ("zone", "invoiced_at", "expected"),
    [
        ("UTC", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"),
        ("UTC", "2026-11-23T23:59:59.999Z", "2026-11-24T00:00:00Z"),
        ("America/Sao_Paulo", "2026-11-23T00:00:00-03:00", "2026-11-24T03:00:00Z"),
        ("America/Sao_Paulo", "2026-11-23T00:00:00Z", "2026-11-23T03:00:00Z"),
        ("Asia/Tokyo", "2026-11-23T00:00:00+09:00", "2026-11-23T15:00:00Z"),
        ("Asia/Kolkata", "2026-02-28T18:29:00Z", "2026-02-28T18:30:00Z"),
        # Clocks fall back: a day of 25 hours. They jump: one of 23.
        ("America/New_York", "2026-11-01T00:00:00-04:00", "2026-11-02T05:00:00Z"),
        ("America/New_York", "2026-03-08T00:00:00-05:00", "2026-03-09T04:00:00Z"),
        # Clocks jump over midnight, and fall back to it.
        ("Africa/Cairo", "2026-04-23T12:00:00Z", "2026-04-23T22:00:00Z"),
        ("Atlantic/Azores", "2026-10-24T12:00:00Z", "2026-10-25T00:00:00Z"),
        ("Pacific/Apia", "2011-12-29T12:00:00Z", "2011-12-30T10:00:00Z"),
    ],
)
def test_a_day_ends_where_the_account_is(zone: str, invoiced_at: str, expected: str) -> None:
    """The same calendar as the deadlines': 24:00 of the account's own day."""
    found = end_of_day_ms(parse_instant_ms(invoiced_at), ZoneInfo(zone), told_at_ms=None)
    assert parse_instant_ms(expected) == found


def test_goods_have_left_when_their_record_is_there() -> None:
    """The record's own timestamp bounds the day, also where the date is behind it."""
    midnight_ms, hour_ms, utc = parse_instant_ms("2026-11-23T00:00:00Z"), 3_600_000, ZoneInfo("UTC")
    for told_at_ms in (midnight_ms + 15 * hour_ms, midnight_ms - hour_ms):
        assert told_at_ms == end_of_day_ms(midnight_ms, utc, told_at_ms=told_at_ms)
    day_after_ms = midnight_ms + 25 * hour_ms
    day_end_ms = midnight_ms + 24 * hour_ms
    assert day_end_ms == end_of_day_ms(midnight_ms, utc, told_at_ms=day_after_ms)


@pytest.mark.parametrize("instant_ms", [INSTANT_MAX_MS, -62_135_596_800_000])
def test_a_day_that_no_calendar_has_ends_at_once(instant_ms: int) -> None:
    """No date of a record may stop the worker."""
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):
        assert abs(end_of_day_ms(instant_ms, ZoneInfo(zone), told_at_ms=None) - instant_ms) < 10**8


def test_two_invoices_of_one_effective_date_are_one_entry() -> None:
    """Both were dated before the order: the units of a line add up in the order of arrival."""
    ledger, outcome = apply_all(
        (
            balance("shirt", 9),
            order(line("1", 4, "shirt"), completed_at_ms=10),
            invoice("NF1", ("1", 1), invoiced_at_ms=2),
            invoice("NF2", ("1", 2), invoiced_at_ms=3),
        )
    )
    assert [event.acknowledged_at_ms for event in outcome.acknowledgements] == [3]
    (units,) = ledger.reservations[reservation_id()].acknowledged
    assert (units.compared_at_ms, units.units) == (10, 3)
    ledger, outcome = apply_lawfully(ledger, balance("shirt", 9, counted_at_ms=9))
    (stock,) = ledger.stocks.values()
    assert (outcome.kind, stock.acknowledged) == (OutcomeKind.CHANGED, 3)
    ledger, _ = apply_lawfully(ledger, balance("shirt", 6, counted_at_ms=10))
    (stock,) = ledger.stocks.values()
    assert (stock.acknowledged, stock.available) == (0, 5)
