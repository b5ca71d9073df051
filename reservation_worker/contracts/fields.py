"""The types of fields that several events share, with their bounds."""

import re
from datetime import date
from typing import Annotated, Final

from pydantic import AfterValidator, Field, PlainValidator, Strict, WithJsonSchema
from pydantic_core import PydanticCustomError

from reservation_worker.contracts.instants import parse_date, parse_instant_ms
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
            pass
        else:
            if INSTANT_MIN_MS <= instant_ms <= INSTANT_MAX_MS:
                return instant_ms
            raise PydanticCustomError(OUT_OF_BOUNDS, "The time lies outside the years 1 to 9999.")
    raise PydanticCustomError(WRONG_VALUE, "The field must be an RFC 3339 time with an offset.")


def _check_date(value: object) -> date:
    if isinstance(value, str):
        try:
            return parse_date(value)
        except ValueError:
            pass
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
Day = Annotated[
    date, PlainValidator(_check_date), WithJsonSchema({"type": "string", "format": "date"})
]
LineQuantity = Annotated[int, Strict(), Field(ge=1, le=LINE_QUANTITY_MAX)]
LineUnitsCount = Annotated[int, Strict(), Field(ge=0, le=LINE_QUANTITY_MAX)]
StockUnits = Annotated[int, Strict(), Field(ge=-STOCK_UNITS_MAX, le=STOCK_UNITS_MAX)]
Seconds = Annotated[int, Strict(), Field(ge=0, le=INTEGER_MAX)]
Integer = Annotated[int, Strict(), Field(ge=-INTEGER_MAX, le=INTEGER_MAX)]
Count = Annotated[int, Strict(), Field(ge=0, le=INTEGER_MAX)]
Position = Annotated[int, Strict(), Field(ge=0, le=2**63 - 1)]
"""A Kafka partition or offset."""
