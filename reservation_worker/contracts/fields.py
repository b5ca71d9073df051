"""The types of fields that several events share, with their bounds."""

import re
from datetime import date
from typing import Annotated, Final

from pydantic import AfterValidator, Field, PlainValidator, Strict, WithJsonSchema
from pydantic_core import PydanticCustomError

from reservation_worker.contracts.instants import lacks_offset, parse_date, parse_instant_ms
from reservation_worker.domain.deadline import INSTANT_MAX_MS
from reservation_worker.domain.facts import (
    ID_BYTES_MAX,
    INTEGER_MAX,
    LINE_QUANTITY_MAX,
    STOCK_UNITS_MAX,
)

OUT_OF_BOUNDS: Final = "out_of_bounds"
"""Type of the validation error of a well-formed value that is too long, too large or too small."""
WRONG_VALUE: Final = "wrong_value"
"""Type of the validation error of a value that has the wrong form."""

INSTANT_MIN_MS: Final = -62_135_596_800_000
"""0001-01-01T00:00:00Z: the first instant that RFC 3339 and Python can write."""
STATED_MIN_MS: Final = 946_684_800_000
"""2000-01-01T00:00:00Z: what is earlier is some language's empty date, or seconds that were taken
for milliseconds, and no event of a shop.
"""
_STATED_DATE_MIN: Final = date(2000, 1, 1)
_STATED_YEAR: Final = "^[2-9][0-9]{3}-"
"""As far as a pattern can say that nothing is earlier than the year 2000."""

_HAS_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]").search


def _check_id(text: str) -> str:
    if text.isascii():
        if text.isprintable() and 0 < len(text) <= ID_BYTES_MAX:
            return text
    elif len(text.encode()) <= ID_BYTES_MAX and _HAS_CONTROL_CHARACTER(text) is None:
        return text
    raise PydanticCustomError(
        OUT_OF_BOUNDS, "An id must have 1 to 128 bytes of UTF-8 without control characters."
    )


def is_id(text: str) -> bool:
    """Tell whether a text keeps the bounds of an id."""
    try:
        _check_id(text)
    except PydanticCustomError:
        return False
    return True


def _check_instant(value: object) -> int:
    if isinstance(value, str):
        try:
            instant_ms = parse_instant_ms(value)
        except (ValueError, OverflowError):
            if lacks_offset(value):
                raise PydanticCustomError(
                    WRONG_VALUE, "The time has no offset: Z, or one such as +02:00, must follow."
                ) from None
        else:
            if INSTANT_MIN_MS <= instant_ms <= INSTANT_MAX_MS:
                return instant_ms
            raise PydanticCustomError(OUT_OF_BOUNDS, "The time lies outside the years 1 to 9999.")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        raise PydanticCustomError(
            WRONG_VALUE,
            "The field is a number; it must be text, an RFC 3339 time with an offset.",
        )
    raise PydanticCustomError(WRONG_VALUE, "The field must be an RFC 3339 time with an offset.")


def _check_stated_instant(value: object) -> int:
    try:
        instant_ms = parse_instant_ms(value)  # type: ignore[arg-type]  # if not text, it is told
    except (TypeError, ValueError, OverflowError):
        instant_ms = _check_instant(value)
    if STATED_MIN_MS <= instant_ms <= INSTANT_MAX_MS:
        return instant_ms
    if instant_ms < STATED_MIN_MS:
        raise PydanticCustomError(OUT_OF_BOUNDS, "The time lies before 2000-01-01.")
    return _check_instant(value)


def _check_stated_date(value: object) -> date:
    if isinstance(value, str):
        try:
            stated = parse_date(value)
        except ValueError:
            pass
        else:
            if stated >= _STATED_DATE_MIN:
                return stated
            raise PydanticCustomError(OUT_OF_BOUNDS, "The date lies before 2000-01-01.")
    raise PydanticCustomError(WRONG_VALUE, "The field must be a date of the form YYYY-MM-DD.")


Id = Annotated[
    str,
    Strict(),
    AfterValidator(_check_id),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": ID_BYTES_MAX,
            "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]+$",
            "description": "1 to 128 bytes of UTF-8 without control characters.",
        }
    ),
]
Text = Annotated[str, Strict()]
Flag = Annotated[bool, Strict()]
Instant = Annotated[
    int,
    PlainValidator(_check_instant),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""RFC 3339 outside, milliseconds since the epoch inside."""
StatedInstant = Annotated[
    int,
    PlainValidator(_check_stated_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": _STATED_YEAR}),
]
"""The same of an input: not before the year 2000."""
StatedDay = Annotated[
    date,
    PlainValidator(_check_stated_date),
    WithJsonSchema({"type": "string", "format": "date", "pattern": _STATED_YEAR}),
]
"""A date of an input: not before the year 2000."""
LineQuantity = Annotated[int, Strict(), Field(ge=1, le=LINE_QUANTITY_MAX)]
LineUnitsCount = Annotated[int, Strict(), Field(ge=0, le=LINE_QUANTITY_MAX)]
StockUnits = Annotated[int, Strict(), Field(ge=-STOCK_UNITS_MAX, le=STOCK_UNITS_MAX)]
Seconds = Annotated[int, Strict(), Field(ge=0, le=INTEGER_MAX)]
Integer = Annotated[int, Strict(), Field(ge=-INTEGER_MAX, le=INTEGER_MAX)]
Count = Annotated[int, Strict(), Field(ge=0, le=INTEGER_MAX)]
Position = Annotated[int, Strict(), Field(ge=0, le=2**63 - 1)]
"""A Kafka partition or offset."""
