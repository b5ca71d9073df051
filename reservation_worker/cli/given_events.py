"""Events as somebody has written them into a file: found, judged, and not altered."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reservation_worker.contracts.inputs import FactKind
    from reservation_worker.contracts.records import Rejection
    from reservation_worker.settings.model import Settings

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
WHITE_SPACE = b" \t\r\n"
"""What JSON takes for it: whatever else is around an event belongs to it."""


@dataclass(frozen=True, slots=True)
class GivenEvent:
    """One event, and where it stands."""

    value: bytes
    first_line: int
    last_line: int

    @property
    def place(self) -> str:
        """Say where it stands."""
        if self.first_line == self.last_line:
            return f"Line {self.first_line}"
        return f"Lines {self.first_line} to {self.last_line}"


def read_events(file: Path | None) -> list[GivenEvent]:
    """Read one event, or one per line, byte by byte as they are; None: from stdin.

    Raises:
        UsageFailed: there is nothing to read.
    """
    from reservation_worker.cli.failures import UsageFailed

    try:
        content = _stdin() if file is None else file.read_bytes()
    except OSError as error:
        raise UsageFailed(f"The events cannot be read: {error}") from None
    lines = [
        GivenEvent(line.strip(WHITE_SPACE), number, number)
        for number, line in enumerate(content.split(b"\n"), 1)
        if line.removeprefix(BYTE_ORDER_MARK).strip(WHITE_SPACE)
    ]
    if not lines:
        raise UsageFailed("There is no event: give JSON on stdin, --file FILE, or --sample.")
    if len(lines) > 1 and _is_one_event(content, lines):
        return [
            GivenEvent(content.strip(WHITE_SPACE), lines[0].first_line, lines[-1].last_line),
        ]
    return lines


def headers_of(value: bytes) -> tuple[tuple[str, bytes], ...]:
    """Return what a CloudEvents envelope (structured mode) is told by; nothing for a bare body."""
    from reservation_worker.contracts.json_text import parse_object

    event = parse_object(value) if b'"specversion"' in value else {}
    if not isinstance(event, dict) or "specversion" not in event:
        return ()
    return (("content-type", b"application/cloudevents+json"),)


def build_judge(settings: "Settings", kind: "FactKind") -> "Callable[[bytes], Rejection | None]":
    """Return what judges an event as a worker with these settings will."""
    from reservation_worker.composition import build_clock, build_decoder, topic_of
    from reservation_worker.contracts.records import Record, Rejection

    decoder, topic, clock = build_decoder(settings), topic_of(settings, kind), build_clock()

    def judge(value: bytes) -> Rejection | None:
        now_ms = clock.now_ms()
        record = Record(topic, 0, 0, now_ms, None, value, headers_of(value))
        found = decoder.decode(record, now_ms)
        return found if isinstance(found, Rejection) else None

    return judge


def check_events(events: "list[GivenEvent]", judge: "Callable[[bytes], Rejection | None]") -> None:
    """Hold all events against the contract before the first one is sent.

    Raises:
        UsageFailed: a worker would refuse one; its line and the reason are named.
    """
    from reservation_worker.cli.failures import UsageFailed

    for event in events:
        rejection = judge(event.value)
        if rejection is not None:
            # Names are the sender's: whatever is in them, this stays one line.
            at = repr(rejection.pointer)[1:-1] if rejection.pointer else ""
            raise UsageFailed(
                f"{event.place}: {rejection.code.value}{f' at {at}' if at else ''}: "
                f"{rejection.message} Nothing was sent; --unchecked sends it all the same."
            )


def as_events(values: Iterator[bytes]) -> list[GivenEvent]:
    """Return samples as if they had been given, one on each line."""
    return [GivenEvent(value, number, number) for number, value in enumerate(values, 1)]


def _stdin() -> bytes:
    if sys.stdin is None:  # whoever started this has closed it
        return b""
    return sys.stdin.buffer.read()


def _is_one_event(content: bytes, lines: list[GivenEvent]) -> bool:
    """Tell whether all lines together are one event, if perhaps a broken one.

    They are if they can be read so, or if the first one breaks off and no line begins anew.
    """
    import json

    from reservation_worker.contracts.json_text import parse_object

    if isinstance(parse_object(content), dict):
        return True
    first = lines[0].value.removeprefix(BYTE_ORDER_MARK).decode(errors="replace")
    try:
        json.JSONDecoder().raw_decode(first)
    except json.JSONDecodeError as error:
        breaks_off = error.pos >= len(first)
    except (ValueError, RecursionError):
        return False
    else:
        return False
    return breaks_off and b"\n{" not in content.lstrip(BYTE_ORDER_MARK + WHITE_SPACE)
