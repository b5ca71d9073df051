"""RFC 3339 times outside, integer milliseconds since the epoch inside."""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}"
    r"(?::[0-9]{2}(?:\.[0-9]{1,30})?)?(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})"
).fullmatch
_FULL_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MS = 24 * 60 * 60 * 1000


def parse_instant_ms(text: str) -> int:
    """Read an RFC 3339 time with an offset; digits below a millisecond are cut off.

    Seconds and the colon of the offset may be missing: nothing else can be meant. A leap second
    (``:60``) is not understood.

    Raises:
        ValueError: the text is not such a time.
    """
    if _INSTANT(text) is None:
        raise ValueError("not an RFC 3339 time with an offset")
    try:
        since_epoch = datetime.fromisoformat(text) - _EPOCH
    except ValueError:
        since_epoch = datetime.fromisoformat(text.upper()) - _EPOCH
    return (
        since_epoch.days * _DAY_MS + since_epoch.seconds * 1000 + since_epoch.microseconds // 1000
    )


def lacks_offset(text: str) -> bool:
    """Tell whether a text would be a time if it had an offset."""
    return _INSTANT(text) is None and _INSTANT(text + "Z") is not None


def parse_date(text: str) -> date:
    """Read an RFC 3339 full date.

    Raises:
        ValueError: the text is not such a date.
    """
    if _FULL_DATE(text) is None:
        raise ValueError("not a date of the form YYYY-MM-DD")
    return date.fromisoformat(text)


@lru_cache(maxsize=65_536)
def instant_text(instant_ms: int) -> str:
    """Write an instant of the years 1 to 9999: always ``Z``, milliseconds only if there are any.

    Remembered, because each change of an order repeats the instants of those before it.
    """
    second, millisecond = divmod(instant_ms, 1000)
    if millisecond:
        return f"{_second_text(second)}.{millisecond:03d}Z"
    return _second_text(second) + "Z"


@lru_cache(maxsize=8_192)
def _second_text(second: int) -> str:
    """Remembered, because the facts of a batch share their seconds."""
    return (_EPOCH + timedelta(seconds=second)).replace(tzinfo=None).isoformat()


def optional_instant_text(instant_ms: int | None) -> str | None:
    """Write an instant that may be absent."""
    return None if instant_ms is None else instant_text(instant_ms)
