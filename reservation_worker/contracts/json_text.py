"""JSON as strangers write it: one object, or the reason why it is none. Never an exception."""

import json
import re
from typing import Any, Final

from reservation_worker.contracts.records import Rejection, RejectionCode

JsonObject = dict[str, Any]
"""Parsed, not yet validated: does not leave the contracts."""

_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]").search
_BROKEN = Rejection(
    RejectionCode.DECODE_FAILED, None, "The value is not one valid UTF-8 JSON text."
)
_TOO_DEEP = Rejection(RejectionCode.DECODE_FAILED, None, "The JSON text is nested too deeply.")
_LONE_SURROGATE = Rejection(
    RejectionCode.DECODE_FAILED, None, "The JSON text contains a lone surrogate."
)
_HUGE_INTEGER = Rejection(
    RejectionCode.OUT_OF_BOUNDS, None, "The JSON text contains an integer with too many digits."
)
_NO_OBJECT = Rejection(RejectionCode.SCHEMA_INVALID, "", "The value must be a JSON object.")


class _BrokenTextError(Exception):
    """A text that the JSON grammar allows and this contract does not; names which."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.message)
        self.rejection = rejection


def parse_object(value: bytes) -> JsonObject | Rejection:
    """Read one JSON object; duplicate keys, NaN, Infinity and lone surrogates are broken text."""
    try:
        text = value.decode()
        parsed = _parse(text)
        if "\\u" in text and _SURROGATE_ESCAPE(text) is not None:
            json.dumps(parsed, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return _LONE_SURROGATE
    except (UnicodeDecodeError, json.JSONDecodeError):
        return _BROKEN
    except _BrokenTextError as broken:
        return broken.rejection
    except ValueError:
        # The only other one: int() refuses to read more than 4,300 digits.
        return _HUGE_INTEGER
    except RecursionError:
        return _TOO_DEEP
    return parsed if isinstance(parsed, dict) else _NO_OBJECT


def _parse(text: str) -> object:
    """Spare the common case, an object without white space around it, the search for any."""
    if text.startswith("{"):
        parsed, end = _DECODER.raw_decode(text)
        if end == len(text):
            return parsed
    return _DECODER.decode(text)


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> JsonObject:
    parsed = dict(pairs)
    if len(parsed) != len(pairs):
        raise _BrokenTextError(
            Rejection(RejectionCode.DECODE_FAILED, None, "The JSON text contains a duplicate key.")
        )
    return parsed


def _refuse_constant(_constant: str) -> None:
    raise _BrokenTextError(
        Rejection(RejectionCode.DECODE_FAILED, None, "The JSON text contains NaN or Infinity.")
    )


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object_without_duplicates, parse_constant=_refuse_constant
)
