"""What a sender who does not know this contract has meant.

Unknown fields are ignored, because a writer may be newer. Not so where absent would mean something
else than was meant: a known name that is written in another way, lines under another name, and an
event inside an envelope.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from pydantic import BaseModel

from reservation_worker.contracts.inputs import (
    BODY_OF,
    AnyInputBody,
    FactKind,
    LineUnitsBody,
    OrderCompletedBody,
    OrderLineBody,
    PaymentTermsBody,
)
from reservation_worker.contracts.json_text import JsonObject
from reservation_worker.contracts.pointers import pointer_to
from reservation_worker.contracts.records import Rejection, RejectionCode
from reservation_worker.domain.values import value_class


@value_class(frozen=True, slots=True)
class _Names:
    """The names that an object may have."""

    known: frozenset[str]
    required: frozenset[str]
    meant_by: Mapping[str, str]
    """By what is left of a name without case, `_` and `-`."""


def _names_of(model: type[BaseModel]) -> _Names:
    required = {one.alias or name: one.is_required() for name, one in model.model_fields.items()}
    return _Names(
        frozenset(required),
        frozenset(name for name, is_required in required.items() if is_required),
        {_squeezed(name): name for name in required},
    )


def _squeezed(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


_TERMS: Final = _names_of(PaymentTermsBody)


class Strangers:
    """Looks for what senders of one kind of event may have meant."""

    def __init__(self, kind: FactKind) -> None:
        body = BODY_OF[kind]
        self._names = _names_of(body)
        self._has_payment = body is OrderCompletedBody
        self._line_names: _Names | None = None
        if "lines" in self._names.known:
            self._line_names = _names_of(OrderLineBody if self._has_payment else LineUnitsBody)
            assert self._line_names.required == self._line_names.known, "their names are counted"
        self._names_per_line = len(self._line_names.known) if self._line_names else 0

    def misunderstood(
        self, fields: JsonObject, body: AnyInputBody, prefix: str
    ) -> Rejection | None:
        """Tell what of a valid body cannot be ignored, in pointers that begin with a prefix.

        Where no name is unknown, numbers are compared and nothing else is looked at.
        """
        if len(body.__pydantic_fields_set__) != len(fields):
            rejection = self._in_unknown_fields(fields, prefix)
            if rejection is not None:
                return rejection
        if not self._names_per_line:
            return None
        lines = fields.get("lines")
        if lines and sum(map(len, lines)) != len(lines) * self._names_per_line:
            rejection = self._in_lines(enumerate(lines), prefix)
            if rejection is not None:
                return rejection
        if self._has_payment:
            terms = fields.get("payment")
            if terms and not terms.keys() <= _TERMS.known:
                return _misspelt(_TERMS, terms, f"{prefix}/payment")
        return None

    def instead_of(self, fields: JsonObject, prefix: str) -> Rejection | None:
        """Tell what a body that is not valid may be meant for; None: nothing is known."""
        rejection = self._inside_of(fields, prefix) or _misspelt(self._names, fields, prefix)
        if rejection is not None:
            return rejection
        terms, lines = fields.get("payment"), fields.get("lines")
        if self._has_payment and isinstance(terms, dict):
            rejection = _misspelt(_TERMS, terms, f"{prefix}/payment")
        if rejection is None and isinstance(lines, list):
            objects = (one for one in enumerate(lines) if isinstance(one[1], dict))
            rejection = self._in_lines(objects, prefix)
        return rejection

    def _in_unknown_fields(self, fields: JsonObject, prefix: str) -> Rejection | None:
        rejection = _misspelt(self._names, fields, prefix)
        if rejection is None and self._line_names and "lines" not in fields:
            rejection = _lines_by_another_name(self._names, fields, prefix)
        return rejection

    def _in_lines(self, lines: Iterable[tuple[int, JsonObject]], prefix: str) -> Rejection | None:
        if self._line_names is None:
            return None
        for number, line in lines:
            rejection = _misspelt(self._line_names, line, f"{prefix}/lines/{number}")
            if rejection is not None:
                return rejection
        return None

    def _inside_of(self, fields: JsonObject, prefix: str) -> Rejection | None:
        """Tell of an event that is in an envelope."""
        required = self._names.required - {"account"}
        if not fields.keys().isdisjoint(required):
            return None
        for is_envelope, sentence in _ENVELOPES:
            if is_envelope(fields):
                return Rejection(RejectionCode.SCHEMA_INVALID, prefix, sentence)
        for name, value in fields.items():
            if isinstance(value, dict) and required <= value.keys():
                return Rejection(
                    RejectionCode.SCHEMA_INVALID,
                    prefix + pointer_to(name),
                    "The event lies inside this field: send what is in it by itself.",
                )
        return None


def _misspelt(names: _Names, fields: Mapping[str, object], prefix: str) -> Rejection | None:
    """Tell of a name that differs from a known one only in case, `_` or `-`."""
    for name in fields:
        if name not in names.known:
            meant = names.meant_by.get(_squeezed(name))
            if meant is not None:
                return Rejection(
                    RejectionCode.SCHEMA_INVALID,
                    prefix + pointer_to(name),
                    f"The name of this field differs from {meant} only in case, _ or -: "
                    f"write {meant}.",
                )
    return None


def _lines_by_another_name(names: _Names, fields: JsonObject, prefix: str) -> Rejection | None:
    """Tell of a list that may be lines: without any, every unit of the order would be moved."""
    for name, value in fields.items():
        path = None if name in names.known else _list_of_objects(name, value)
        if path is not None:
            return Rejection(
                RejectionCode.SCHEMA_INVALID,
                prefix + pointer_to(*path),
                "The event names no lines, which means every unit of the order, but this list "
                "may be meant for them: name them as lines, or leave the list out.",
            )
    return None


_Path = tuple["_Path | None", str | int]
"""The place that a part is in, and the part."""


def _list_of_objects(name: str, value: object) -> tuple[str | int, ...] | None:
    """Return the way to the first list, at any depth, that is empty or holds objects.

    Without recursion: how deep a text may be nested is not this module's to say.
    """
    waiting: list[tuple[_Path, object]] = [((None, name), value)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [((path, key), one) for key, one in reversed(value.items())]
        elif isinstance(value, list):
            if not value or any(isinstance(one, dict) for one in value):
                return _parts(path)
            nested = [one for one in enumerate(value) if isinstance(one[1], list)]
            waiting += [((path, number), one) for number, one in reversed(nested)]
    return None


def _parts(path: _Path | None) -> tuple[str | int, ...]:
    parts: list[str | int] = []
    while path is not None:
        path, part = path
        parts.append(part)
    return tuple(reversed(parts))


# ---- envelopes


def _is_debezium(fields: JsonObject) -> bool:
    return "op" in fields and ("after" in fields or "before" in fields)


def _is_debezium_in_connect(fields: JsonObject) -> bool:
    payload = fields.get("payload")
    return _is_connect(fields) and isinstance(payload, dict) and _is_debezium(payload)


def _is_connect(fields: JsonObject) -> bool:
    return fields.keys() == {"schema", "payload"}


def _is_cloud_event(fields: JsonObject) -> bool:
    return "specversion" in fields


_UNWRAP: Final = "the transform io.debezium.transforms.ExtractNewRecordState at the connector"
_NO_SCHEMAS: Final = "value.converter.schemas.enable=false at the connector"
_CONNECT: Final = "The value is Kafka Connect's envelope of schema and payload"
_EVENT: Final = "The value is a structured CloudEvent without the header that says so"
_ENVELOPES: Final[tuple[tuple[Callable[[JsonObject], bool], str], ...]] = (
    (_is_debezium, f"The value is a Debezium change, not an event: set {_UNWRAP}."),
    (
        _is_debezium_in_connect,
        f"{_CONNECT}, and in it a Debezium change: set {_UNWRAP}, and {_NO_SCHEMAS}.",
    ),
    (_is_connect, f"{_CONNECT}: set {_NO_SCHEMAS}."),
    (_is_cloud_event, f"{_EVENT}: send it with content-type: application/cloudevents+json."),
)
"""What is recognised, and what to switch off at the sender."""
