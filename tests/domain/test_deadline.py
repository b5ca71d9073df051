"""When an unpaid order is given back: each rule, its place among the others, and the calendar."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from reservation_worker.domain.deadline import DeadlineRules, OrderTerms, deadline_ms

SAO_PAULO = ZoneInfo("America/Sao_Paulo")
NEW_YORK = ZoneInfo("America/New_York")
DAY_MS = 24 * 60 * 60 * 1000


def milliseconds(text: str) -> int:
    """Return the instant of an ISO 8601 text."""
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
        milliseconds=1
    )


COMPLETED_AT_MS = milliseconds("2026-11-23T15:00:00.250+00:00")
RULES = DeadlineRules(
    default_period_seconds=3600,
    payment_method_period_seconds={"wallet": 900},
)


def test_the_first_rule_that_applies_decides() -> None:
    """An order may match all five rules; each is taken away in turn, and the next one decides."""
    terms = OrderTerms(
        COMPLETED_AT_MS,
        reservation_expires_at_ms=5,
        reservation_ttl_seconds=60,
        payment_method="wallet",
        due_date=date(2026, 11, 25),
        incomplete=True,
    )
    without_lock = replace(terms, reservation_expires_at_ms=None)
    without_period = replace(without_lock, reservation_ttl_seconds=None)
    without_due_date = replace(without_period, due_date=None)
    without_method = replace(without_due_date, payment_method=None)
    without_anything = replace(without_method, incomplete=False)
    expected = {
        terms: 5,
        without_lock: COMPLETED_AT_MS + 60_000,
        without_period: milliseconds("2026-12-01T00:00:00+00:00"),
        without_due_date: COMPLETED_AT_MS + 900_000,
        without_method: COMPLETED_AT_MS + 11 * DAY_MS,
        without_anything: COMPLETED_AT_MS + 3_600_000,
    }
    assert expected == {each: deadline_ms(RULES, each) for each in expected}


@pytest.mark.parametrize(
    ("due_date", "last_day"),
    [
        ("2026-11-22", "2026-11-26"),
        ("2026-11-23", "2026-11-27"),
        ("2026-11-24", "2026-11-28"),
        ("2026-11-25", "2026-11-30"),
        ("2026-11-26", "2026-12-01"),
        ("2026-11-27", "2026-12-02"),
        ("2026-11-28", "2026-12-04"),
    ],
    ids=["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"],
)
def test_inventory_period_follows_the_weekday_of_the_due_date(due_date: str, last_day: str) -> None:
    """A payment made on a weekend is seen by the shop only days later."""
    end_of_last_day = milliseconds(f"{last_day}T00:00:00+00:00") + DAY_MS
    terms = OrderTerms(COMPLETED_AT_MS, due_date=date.fromisoformat(due_date))
    assert end_of_last_day == deadline_ms(RULES, terms)


def test_the_day_ends_in_the_time_zone_of_the_account() -> None:
    """24:00 in São Paulo is three hours later than in London."""
    rules = DeadlineRules(time_zone=SAO_PAULO)
    terms = OrderTerms(COMPLETED_AT_MS, due_date=date(2026, 11, 25))
    assert milliseconds("2026-12-01T00:00:00-03:00") == deadline_ms(rules, terms)


@pytest.mark.parametrize(
    ("time_zone", "due_date", "expected"),
    [
        # Clocks went from 2018-11-04 00:00 -03:00 to 01:00 -02:00: the day ended at the jump.
        ("America/Sao_Paulo", "2018-10-30", "2018-11-04T00:00:00-03:00"),
        # Clocks went from 2018-02-18 00:00 -02:00 back to 2018-02-17 23:00 -03:00.
        ("America/Sao_Paulo", "2018-02-13", "2018-02-18T00:00:00-03:00"),
        # Clocks went from 2026-11-01 01:00 -04:00 back to 00:00 -05:00: the first midnight counts.
        ("America/Havana", "2026-10-27", "2026-11-01T00:00:00-04:00"),
        # The days between due date and end contain the change.
        ("America/New_York", "2026-03-06", "2026-03-12T00:00:00-04:00"),
        ("Europe/Berlin", "2026-10-23", "2026-10-29T00:00:00+01:00"),
    ],
    ids=["midnight skipped", "late hour twice", "midnight twice", "spring", "autumn"],
)
def test_the_day_ends_right_when_clocks_change(
    time_zone: str, due_date: str, expected: str
) -> None:
    """A day of 23 or 25 hours still ends at its own midnight."""
    weekday_days = {1: 4, 4: 5}
    last = date.fromisoformat(due_date)
    rules = DeadlineRules(
        time_zone=ZoneInfo(time_zone),
        inventory_period_days=tuple(weekday_days.get(weekday, 4) for weekday in range(7)),
    )
    found = deadline_ms(rules, OrderTerms(0, due_date=last))
    assert milliseconds(expected) == found


def test_incomplete_order_keeps_its_local_time_of_day_over_a_change_of_clocks() -> None:
    """Calendar days are the account's: eleven of them may be an hour more than 264 hours."""
    rules = DeadlineRules(time_zone=NEW_YORK)
    terms = OrderTerms(milliseconds("2026-10-25T20:30:00.125-04:00"), incomplete=True)
    assert milliseconds("2026-11-05T20:30:00.125-05:00") == deadline_ms(rules, terms)


def test_payment_method_without_a_period_of_its_own_has_the_default_one() -> None:
    """Methods are the shop's words; the settings need not name all of them."""
    terms = OrderTerms(COMPLETED_AT_MS, payment_method="barter")
    expected = COMPLETED_AT_MS + 3_600_000
    assert expected == deadline_ms(RULES, terms)


@pytest.mark.parametrize(
    "terms",
    [
        OrderTerms(0, due_date=date(9999, 12, 31)),
        OrderTerms(0, due_date=date(9999, 12, 25)),
        OrderTerms(0, reservation_ttl_seconds=10**15 - 1),
        OrderTerms(253_402_300_799_999, incomplete=True),
        OrderTerms(253_402_300_799_999),
        OrderTerms(-62_135_596_800_000, incomplete=True),
    ],
    ids=["date", "end of day", "ttl", "incomplete", "default", "first instant"],
)
def test_deadline_that_cannot_be_written_is_refused(terms: OrderTerms) -> None:
    """What would be published must fit RFC 3339, whose years have four digits."""
    rules = DeadlineRules(time_zone=NEW_YORK, inventory_period_days=(6,) * 7)
    with pytest.raises(OverflowError):
        deadline_ms(rules, terms)


def test_rules_need_a_period_for_each_weekday() -> None:
    """A missing weekday would be found by the first order that is due on it."""
    with pytest.raises(ValueError, match="7 numbers"):
        DeadlineRules(inventory_period_days=(4, 4, 5))
