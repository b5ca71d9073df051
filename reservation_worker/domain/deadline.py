"""When an unpaid reservation is given back: five rules, of which the first that applies counts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from types import MappingProxyType

INSTANT_MAX_MS = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z: the last instant that RFC 3339 can write."""
INCOMPLETE_PERIOD_DAYS = 11
"""Calendar days that an incomplete order may wait for its buyer."""
DEFAULT_PERIOD_SECONDS = 7 * 24 * 60 * 60
"""A week: longer than any usual way to pay without a due date takes to be approved."""
INVENTORY_PERIOD_DAYS = (4, 4, 5, 5, 5, 6, 4)
"""Calendar days after the due date, Monday first: the weekend on which no bank works is in it."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DeadlineRules:
    """What an account may set; the defaults are those of the deadline rules."""

    time_zone: tzinfo = UTC
    """Where the account's days end."""
    default_period_seconds: int = DEFAULT_PERIOD_SECONDS
    payment_method_period_seconds: Mapping[str, int] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """By payment method; a method that is not named has no period of its own."""
    inventory_period_days: tuple[int, ...] = INVENTORY_PERIOD_DAYS
    """By weekday of the due date, Monday first; 7 numbers."""
    incomplete_period_days: int = INCOMPLETE_PERIOD_DAYS

    def __post_init__(self) -> None:
        """Hold the rules to one period for each weekday.

        Raises:
            ValueError: there are not exactly 7 inventory periods.
        """
        if len(self.inventory_period_days) != len(INVENTORY_PERIOD_DAYS):
            raise ValueError("inventory_period_days needs 7 numbers, Monday first")


@dataclass(frozen=True, slots=True)
class OrderTerms:
    """What a completed order says about its own deadline."""

    completed_at_ms: int
    reservation_expires_at_ms: int | None = None
    reservation_ttl_seconds: int | None = None
    payment_method: str | None = None
    due_date: date | None = None
    incomplete: bool = False


def deadline_ms(rules: DeadlineRules, terms: OrderTerms) -> int:
    """Return the order's ``expires_at`` in milliseconds since the epoch.

    Raises:
        OverflowError: the deadline lies behind the year 9999.
    """
    expires_at_ms = _first_that_applies(rules, terms)
    if expires_at_ms > INSTANT_MAX_MS:
        raise OverflowError("the deadline lies behind the year 9999")
    return expires_at_ms


def _first_that_applies(rules: DeadlineRules, terms: OrderTerms) -> int:
    if terms.reservation_expires_at_ms is not None:
        return terms.reservation_expires_at_ms
    if terms.reservation_ttl_seconds is not None:
        return terms.completed_at_ms + terms.reservation_ttl_seconds * 1000
    if terms.due_date is not None:
        days = rules.inventory_period_days[terms.due_date.weekday()]
        return _day_end_ms(terms.due_date, days, rules.time_zone)
    if terms.payment_method is not None:
        period_seconds = rules.payment_method_period_seconds.get(terms.payment_method)
        if period_seconds is not None:
            return terms.completed_at_ms + period_seconds * 1000
    if terms.incomplete:
        return _calendar_days_later_ms(
            terms.completed_at_ms, rules.incomplete_period_days, rules.time_zone
        )
    return terms.completed_at_ms + rules.default_period_seconds * 1000


def end_of_day_ms(instant_ms: int, time_zone: tzinfo, *, told_at_ms: int | None) -> int:
    """Return 24:00 of the day of an instant, but not later than when it was told (None: unknown).

    The instant itself where no calendar has that day.
    """
    try:
        day = (_EPOCH + timedelta(milliseconds=instant_ms)).astimezone(time_zone).date()
        day_end_ms = _day_end_ms(day, 0, time_zone)
    except OverflowError:
        return instant_ms
    return day_end_ms if told_at_ms is None else min(day_end_ms, told_at_ms)


@lru_cache(maxsize=4096)
def _day_end_ms(day: date, days_later: int, time_zone: tzinfo) -> int:
    """Return 24:00 of the day that is so many days later.

    That is the first instant of the next day. Where clocks jump over midnight it is the jump;
    where they fall back to it, its first passing. Remembered, because due dates repeat.
    """
    next_day = day + timedelta(days=days_later) + _DAY
    midnight = datetime(next_day.year, next_day.month, next_day.day, tzinfo=time_zone)
    return _milliseconds(midnight)


def _calendar_days_later_ms(instant_ms: int, days: int, time_zone: tzinfo) -> int:
    """Return the same local time of day, so many calendar days later."""
    local = (_EPOCH + timedelta(milliseconds=instant_ms)).astimezone(time_zone)
    return _milliseconds(local + timedelta(days=days))


def _milliseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(milliseconds=1)
