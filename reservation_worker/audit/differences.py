"""How a published record differs from the one that the ledger's event becomes."""

import json
from collections.abc import Mapping

from reservation_worker.audit.topics import Published
from reservation_worker.contracts.encode import encode_event
from reservation_worker.contracts.records import SOURCE_HEADER
from reservation_worker.domain.outcome import PublishedEvent


def differences_of(event: PublishedEvent, found: Published, *, with_headers: bool) -> list[str]:
    """Name the fields in which a published record is not what the ledger would have published."""
    record = found.record
    # Which group has published it is no part of the law, and one may have adopted another's.
    source = dict(record.headers).get(SOURCE_HEADER) or b""
    wanted = encode_event(event, str(found.event_id), record.partition, source)
    if wanted.topic is not found.topic:
        return [f"{found.topic} instead of {wanted.topic}"]
    differences: list[str] = []
    if wanted.value != record.value:
        differences += _different_members(
            json.loads(wanted.value or b"{}"), json.loads(record.value or b"{}")
        )
    if wanted.key != record.key:
        differences.append("another key")
    if with_headers and wanted.headers != record.headers:
        differences.append("other headers")
    return differences


def _different_members(wanted: Mapping[str, object], found: Mapping[str, object]) -> list[str]:
    names = [*wanted, *(name for name in found if name not in wanted)]
    return [
        f"{name} is {_short(found.get(name))} instead of {_short(wanted.get(name))}"
        for name in names
        if wanted.get(name) != found.get(name)
    ]


def _short(value: object) -> str:
    text = json.dumps(value)
    limit = 160
    return text if len(text) <= limit else text[:limit] + "…"
