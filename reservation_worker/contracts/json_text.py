"""JSON as strangers write it: one object, or the reason why it is none. Never an exception."""

import json
import re
from typing import Any, Final

from reservation_worker.contracts.records import Rejection, RejectionCode

JsonObject = dict[str, Any]
"""Parsed, not yet validated: does not leave the contracts."""

_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]").search
_BYTE_ORDER_MARK: Final = "\ufeff"
_BROKEN_SENTENCE: Final = "The value is not one valid UTF-8 JSON text"
_KNOWN_BEGINNINGS: Final = (
    (b"\x1f\x8b", "it looks compressed (gzip): leave compressing to the client's compression.type"),
    (
        b"(\xb5/\xfd",
        "it looks compressed (zstd): leave compressing to the client's compression.type",
    ),
    (b"\xff\xfe", "it looks like UTF-16"),
    (b"\xfe\xff", "it looks like UTF-16"),
    (b"{\x00", "it looks like UTF-16"),
    (b"\x00{", "it looks like UTF-16"),
    (b"<", "it looks like XML"),
    (b"Obj\x01", "it looks like an Avro file"),
)
"""What strangers send instead of JSON, by its first bytes."""
_TOO_DEEP = Rejection(RejectionCode.DECODE_FAILED, None, "The JSON text is nested too deeply.")
_LONE_SURROGATE = Rejection(
    RejectionCode.DECODE_FAILED, None, "The JSON text contains a lone surrogate."
)
_HUGE_INTEGER = Rejection(
    RejectionCode.OUT_OF_BOUNDS, None, "The JSON text contains an integer with too many digits."
)
_NO_OBJECT = Rejection(RejectionCode.SCHEMA_INVALID, "", "The value must be a JSON object.")
_TEXT_IN_STRING = Rejection(
    RejectionCode.SCHEMA_INVALID,
    "",
    "The value is a JSON string that holds JSON, not an object: the sender encodes it twice. "
    "Send the inner text as it is (in Kafka Connect, by the StringConverter).",
)
_EVENT_BATCH = Rejection(
    RejectionCode.SCHEMA_INVALID,
    "",
    "The value is a CloudEvents batch: send one event in each record.",
)
_ARRAY = Rejection(
    RejectionCode.SCHEMA_INVALID,
    "",
    "The value is a JSON array, not an object: send one event in each record.",
)


class _BrokenTextError(Exception):
    """A text that the JSON grammar allows and this contract does not; names which."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.message)
        self.rejection = rejection


def parse_object(value: bytes) -> JsonObject | Rejection:
    """Read one JSON object; duplicate keys, NaN, Infinity and lone surrogates are broken text.

    A byte order mark before it is skipped: nothing else can be meant by it.
    """
    try:
        text = value.decode()
        parsed = _parse(text)
        if "\\u" in text and _SURROGATE_ESCAPE(text) is not None:
            json.dumps(parsed, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return _LONE_SURROGATE
    except UnicodeDecodeError:
        return _broken(value, "it is not UTF-8")
    except json.JSONDecodeError as error:
        return _broken(value, _what_json_says(value, error))
    except _BrokenTextError as broken:
        return broken.rejection
    except ValueError:
        # The only other one: int() refuses to read more than 4,300 digits.
        return _HUGE_INTEGER
    except RecursionError:
        return _TOO_DEEP
    return parsed if isinstance(parsed, dict) else _no_object(parsed)


def _parse(text: str) -> object:
    """Spare the common case, an object without white space around it, the search for any."""
    if text.startswith("{"):
        parsed, end = _DECODER.raw_decode(text)
        if end == len(text):
            return parsed
    return _DECODER.decode(text.removeprefix(_BYTE_ORDER_MARK))


def _no_object(parsed: object) -> Rejection:
    """Tell what came instead of an object."""
    if isinstance(parsed, str) and parsed.lstrip()[:1] in {"{", "["}:
        return _TEXT_IN_STRING
    if isinstance(parsed, list):
        first = parsed[0] if parsed else None
        return _EVENT_BATCH if isinstance(first, dict) and "specversion" in first else _ARRAY
    return _NO_OBJECT


def _broken(value: bytes, why: str) -> Rejection:
    for beginning, what in _KNOWN_BEGINNINGS:
        if value.startswith(beginning):
            why = what
    return Rejection(RejectionCode.DECODE_FAILED, None, f"{_BROKEN_SENTENCE}: {why}.")


def _what_json_says(value: bytes, error: json.JSONDecodeError) -> str:
    """Say what is wrong and where; nothing of the text itself."""
    if not value.strip():
        return "it is empty"
    if error.msg == "Extra data":
        return f"something follows its end at byte {_byte_of(error)}; send one event in each record"
    return f"it breaks off, or is wrong, at byte {_byte_of(error)}"


def _byte_of(error: json.JSONDecodeError) -> int:
    return len(error.doc[: error.pos].encode())


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
