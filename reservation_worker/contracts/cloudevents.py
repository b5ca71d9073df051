"""The three encodings of an input: CloudEvents binary, CloudEvents structured, bare JSON."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Final

from reservation_worker.contracts.fields import is_id
from reservation_worker.contracts.inputs import FactKind
from reservation_worker.contracts.json_text import JsonObject, parse_object
from reservation_worker.contracts.records import Headers, Rejection, RejectionCode
from reservation_worker.domain.values import value_class

CONTENT_TYPE: Final = "content-type"
TRACEPARENT: Final = "traceparent"
_ATTRIBUTE_PREFIX: Final = "ce_"
_STRUCTURED: Final = "application/cloudevents"
_STRUCTURED_JSON: Final = "application/cloudevents+json"
_BATCH: Final = "application/cloudevents-batch"
_SCHEMA_ID_BYTES: Final = 5
"""Confluent's prefix: the magic byte 0 and a 4-byte schema id."""

_VERSIONED_TYPE = re.compile(r"(.+)\.v([0-9]{1,9})(?:\.[0-9]{1,9})*").fullmatch
_SPECIFICATION = re.compile(r"([0-9]{1,9})\.[0-9]{1,9}").fullmatch
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}").fullmatch


_NO_JSON_BEHIND_SCHEMA_ID = Rejection(
    RejectionCode.DECODE_FAILED,
    None,
    "What follows the schema registry's prefix is not one valid UTF-8 JSON text: events in Avro "
    "or Protobuf are not understood, only those of a JSON serializer.",
)


@value_class(frozen=True, slots=True)
class Content:
    """What a record carries, whichever encoding it came in."""

    body: JsonObject
    pointer_prefix: str
    """JSON pointer of the body within the record's value."""
    event_id: str | None
    traceparent: str | None


def type_table(aliases: Mapping[str, FactKind]) -> dict[str, FactKind]:
    """Return the facts that CloudEvents types stand for: the contract's and a setting's."""
    return {kind.event_type: kind for kind in FactKind} | dict(aliases)


def read_content(
    value: bytes, headers: Headers, kind: FactKind, types: Mapping[str, FactKind]
) -> Content | Rejection:
    """Read the body and the event's attributes; the topic has told the kind."""
    if value[:1] == b"\x00" and len(value) >= _SCHEMA_ID_BYTES:
        content = _by_headers(value[_SCHEMA_ID_BYTES:], headers, kind, types)
        is_broken = isinstance(content, Rejection) and content.code is RejectionCode.DECODE_FAILED
        return _NO_JSON_BEHIND_SCHEMA_ID if is_broken else content
    return _by_headers(value, headers, kind, types)


def _by_headers(
    value: bytes, headers: Headers, kind: FactKind, types: Mapping[str, FactKind]
) -> Content | Rejection:
    if not headers:
        return _bare(value, None)
    attributes = _attributes(headers)
    if isinstance(attributes, Rejection):
        return attributes
    content_type = attributes.get(CONTENT_TYPE, "").partition(";")[0].strip().lower()
    if content_type == _STRUCTURED_JSON:
        return _structured(value, attributes, kind, types)
    if content_type.startswith(_BATCH):
        return Rejection(
            RejectionCode.DECODE_FAILED,
            None,
            "The record is a CloudEvents batch: send one event in each record.",
        )
    if content_type.startswith(_STRUCTURED):
        return Rejection(
            RejectionCode.DECODE_FAILED, None, "Only the JSON format of CloudEvents is understood."
        )
    if any(name.startswith(_ATTRIBUTE_PREFIX) for name in attributes):
        return _binary(value, attributes, kind, types)
    return _bare(value, _traceparent(attributes.get(TRACEPARENT)))


def _attributes(headers: Headers) -> dict[str, str] | Rejection:
    """Return the headers that have a meaning here; of several with one name the last."""
    attributes: dict[str, str] = {}
    for name, value in headers:
        lower_name = name.lower()
        if value is None or not (
            lower_name.startswith(_ATTRIBUTE_PREFIX) or lower_name in {CONTENT_TYPE, TRACEPARENT}
        ):
            continue
        try:
            attributes[lower_name] = value.decode()
        except UnicodeDecodeError:
            return Rejection(
                RejectionCode.DECODE_FAILED, None, "A CloudEvents header is not valid UTF-8."
            )
    return attributes


def _bare(value: bytes, traceparent: str | None) -> Content | Rejection:
    body = parse_object(value)
    if isinstance(body, Rejection):
        return body
    return Content(body, "", None, traceparent)


def _binary(
    value: bytes, attributes: Mapping[str, str], kind: FactKind, types: Mapping[str, FactKind]
) -> Content | Rejection:
    event_id = attributes.get("ce_id")
    rejection = (
        _check_specification(attributes.get("ce_specversion"), None)
        or _check_type(attributes.get("ce_type"), None, kind, types)
        or _check_event_id(event_id, None)
    )
    if rejection is not None:
        return rejection
    body = parse_object(value)
    if isinstance(body, Rejection):
        return body
    traceparent = _traceparent(attributes.get(TRACEPARENT) or attributes.get("ce_traceparent"))
    return Content(body, "", event_id, traceparent)


def _structured(
    value: bytes, attributes: Mapping[str, str], kind: FactKind, types: Mapping[str, FactKind]
) -> Content | Rejection:
    envelope = parse_object(value)
    if isinstance(envelope, Rejection):
        return envelope
    event_id = envelope.get("id")
    rejection = (
        _check_specification(envelope.get("specversion"), "/specversion")
        or _check_type(envelope.get("type"), "/type", kind, types)
        or _check_event_id(event_id, "/id")
    )
    if rejection is not None:
        return rejection
    traceparent = _traceparent(attributes.get(TRACEPARENT) or envelope.get(TRACEPARENT))
    pointer = "/data" if "data" in envelope else "/data_base64"
    body = envelope.get("data") if "data" in envelope else _decoded(envelope.get("data_base64"))
    if isinstance(body, Rejection):
        return body
    if isinstance(body, str):
        return Rejection(
            RejectionCode.SCHEMA_INVALID,
            pointer,
            "The event's data is a string; it must be a JSON object, not encoded once more.",
        )
    if not isinstance(body, dict):
        return Rejection(
            RejectionCode.SCHEMA_INVALID, pointer, "The event's data must be a JSON object."
        )
    return Content(body, pointer, event_id, traceparent)


def _decoded(data: object) -> JsonObject | Rejection:
    if not isinstance(data, str):
        return Rejection(RejectionCode.SCHEMA_INVALID, "/data", "The event has no data.")
    try:
        value = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return Rejection(
            RejectionCode.DECODE_FAILED, "/data_base64", "The event's data is not valid base64."
        )
    return parse_object(value)


def _check_specification(version: object, pointer: str | None) -> Rejection | None:
    if version == "1.0":
        return None
    parsed = _SPECIFICATION(version) if isinstance(version, str) else None
    if parsed is None:
        return Rejection(
            RejectionCode.SCHEMA_INVALID,
            pointer,
            "The CloudEvents specversion is missing or wrong: it must be 1.0.",
        )
    if parsed[1] == "1":
        return None
    return Rejection(
        RejectionCode.UNSUPPORTED_VERSION, pointer, "Only CloudEvents 1.x is understood."
    )


def _check_type(
    event_type: object, pointer: str | None, kind: FactKind, types: Mapping[str, FactKind]
) -> Rejection | None:
    if not isinstance(event_type, str):
        return Rejection(
            RejectionCode.SCHEMA_INVALID,
            pointer,
            f"The CloudEvents type is missing or wrong: this topic carries {kind.event_type}.",
        )
    if types.get(event_type) is kind:
        return None
    versioned = _VERSIONED_TYPE(event_type)
    if versioned is not None and types.get(f"{versioned[1]}.v1") is kind:
        if versioned[2] == "1":
            return None
        return Rejection(
            RejectionCode.UNSUPPORTED_VERSION,
            pointer,
            "The major version of the event's type is not understood: this topic carries "
            f"{kind.event_type}.",
        )
    return Rejection(
        RejectionCode.UNSUPPORTED_TYPE,
        pointer,
        f"The event's type does not belong on this topic, which carries {kind.event_type}; "
        "input.type_aliases may name further types.",
    )


def _check_event_id(event_id: object, pointer: str | None) -> Rejection | None:
    if event_id is None or (isinstance(event_id, str) and is_id(event_id)):
        return None
    if isinstance(event_id, str):
        return Rejection(
            RejectionCode.OUT_OF_BOUNDS,
            pointer,
            "A CloudEvents id must have 1 to 128 bytes of UTF-8 without control characters.",
        )
    return Rejection(RejectionCode.SCHEMA_INVALID, pointer, "A CloudEvents id must be a string.")


def _traceparent(value: object) -> str | None:
    """Return a well-formed W3C trace context; anything else is dropped, not refused."""
    if isinstance(value, str) and _TRACEPARENT(value) is not None:
        return value
    return None
