"""The language of scenario files, and its parser.

A file is Markdown. Each ``##`` heading begins a scenario; its fenced block is the script. A line
that begins in the first column is something that happens; the indented lines below it say what must
be so afterwards. ``README.md`` beside this module lists every sentence that may be written.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from zoneinfo import ZoneInfo

from reservation_worker.contracts.instants import parse_instant_ms
from reservation_worker.domain.deadline import end_of_day_ms
from reservation_worker.domain.facts import (
    BalanceCounted,
    Fact,
    OrderInvoiced,
    OrderLine,
    RetentionReached,
)
from tests.domain.shop import (
    ACCOUNT,
    WAREHOUSE,
    Units,
    balance,
    cancellation,
    deadline,
    invoice,
    line,
    order,
    payment,
)

TODAY = "2026-11-23"
"""The times of a script are hours and minutes of, or after, this day, unless they name another."""
MOMENT = r"(?:\d{4}-\d\d-\d\d )?\d\d:\d\d"
DEFAULT_DEADLINE = "24:00"
SETTLED_ENTRIES_MAX = 100


class ScriptError(Exception):
    """A scenario file says something that the language does not have."""


@dataclass(frozen=True)
class Settlements:
    """What balances left to do is done: one piece, or all of it."""

    is_only_one: bool


@dataclass(frozen=True)
class Step:
    """One thing that happens, and the sentences that must be true afterwards."""

    text: str
    happening: Fact | Settlements
    expectations: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Scenario:
    """One heading of a file and its script."""

    name: str
    settled_entries_max: int
    """Acknowledged entries that one step of it settles."""
    steps: tuple[Step, ...]


def instant_ms(text: str) -> int:
    """Return the instant of ``[date ]hours:minutes``, UTC; hours from 24 are of the days after."""
    day, _, time = text.rpartition(" ")
    hours, minutes = time.split(":")
    return parse_instant_ms(f"{day or TODAY}T00:00:00Z") + (int(hours) * 60 + int(minutes)) * 60_000


def read_scenarios(path: Path) -> tuple[Scenario, ...]:
    """Return the scenarios of a file.

    Raises:
        ScriptError: a sentence is unknown, or a heading has no script.
    """
    scenarios = []
    for section in re.split(r"^## ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        title = section.partition("\n")[0].strip()
        blocks = re.findall(r"^```\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)
        if len(blocks) != 1:
            raise ScriptError(f"{path.name}: {title!r} needs exactly one script")
        scenarios.append(_scenario(f"{path.stem}: {title}", blocks[0]))
    return tuple(scenarios)


def _scenario(name: str, block: str) -> Scenario:
    settled_entries_max, days_end_in = SETTLED_ENTRIES_MAX, None
    steps: list[Step] = []
    for text in filter(str.strip, block.splitlines()):
        if bound := re.fullmatch(r"a step settles at most (\d+) entr(?:y|ies)", text):
            settled_entries_max = int(bound[1])
        elif days := re.fullmatch(r"dates of invoices are days(?: in (\S+))?", text):
            days_end_in = ZoneInfo(days[1] or "UTC")
        elif not text.startswith(" "):
            steps.append(read_happening(text, days_end_in))
        elif steps:
            steps[-1].expectations.append(text.strip())
        else:
            raise ScriptError(f"{name}: nothing has happened before {text.strip()!r}")
    return Scenario(name, settled_entries_max, tuple(steps))


def read_happening(text: str, days_end_in: ZoneInfo | None = None) -> Step:
    """Return the step, without expectations, that a sentence in the first column begins.

    With a time zone, the date of an invoice says only the day.

    Raises:
        ScriptError: the language has no such sentence.
    """
    if text in {"settlements are done", "one settlement is done"}:
        return Step(text, Settlements(is_only_one=text.startswith("one")))
    for pattern, build in SENTENCES:
        if match := re.fullmatch(rf"(?P<at>{MOMENT}) " + pattern, text):
            fact = build(match)
            if isinstance(fact, OrderInvoiced) and days_end_in is not None:
                told_at_ms = instant_ms(match["received"]) if match["received"] else None
                fact = replace(
                    fact,
                    compared_at_ms=end_of_day_ms(
                        fact.invoiced_at_ms, days_end_in, told_at_ms=told_at_ms
                    ),
                )
            return Step(text, fact)
    raise ScriptError(f"not a sentence: {text!r}")


def _balance(match: re.Match[str]) -> BalanceCounted:
    sku, warehouse_id = named_stock(match["stock"])
    marks = {None: None, "unlimited": True, "not unlimited": False}
    return balance(
        sku,
        int(match["on_hand"]),
        counted_at_ms=instant_ms(match["at"]),
        limit=int(match["limit"]) if match["limit"] else None,
        unlimited=marks[match["mark"]],
        warehouse_id=warehouse_id,
    )


def _order(match: re.Match[str]) -> Fact:
    return order(
        *_order_lines(match["lines"]),
        order_id=match["order"],
        completed_at_ms=instant_ms(match["at"]),
        expires_at_ms=instant_ms(match["expires"] or DEFAULT_DEADLINE),
    )


def _order_lines(text: str) -> tuple[OrderLine, ...]:
    lines = []
    for number, part in enumerate(text.split(", "), start=1):
        match = re.fullmatch(r"(\d+) (\S+)(?: as line (\S+))?", part)
        if match is None:
            raise ScriptError(f"not a line of an order: {part!r}")
        sku, warehouse_id = named_stock(match[2])
        lines.append(line(match[3] or str(number), int(match[1]), sku, warehouse_id))
    return tuple(lines)


def named_stock(text: str) -> tuple[str, str]:
    """Return sku and warehouse of ``sku`` or ``sku@warehouse``."""
    sku, _, warehouse_id = text.partition("@")
    return sku, warehouse_id or WAREHOUSE


def named_units(text: str | None) -> Units:
    """Return lines and quantities of ``2 of line 1, 1 of line 2``."""
    pairs = []
    for part in text.split(", ") if text else ():
        match = re.fullmatch(r"(\d+) of line (\S+)", part)
        if match is None:
            raise ScriptError(f"not units of a line: {part!r}")
        pairs.append((match[2], int(match[1])))
    return tuple(pairs)


SENTENCES: tuple[tuple[str, Callable[[re.Match[str]], Fact]], ...] = (
    (
        (
            r"count of (?P<stock>\S+): (?P<on_hand>-?\d+) on hand"
            r"(?:, limit (?P<limit>-?\d+))?(?:, (?P<mark>unlimited|not unlimited))?"
        ),
        _balance,
    ),
    (rf"order (?P<order>\S+): (?P<lines>.+?)(?:, expires (?P<expires>{MOMENT}))?", _order),
    (
        r"payment of (?P<order>\S+?)(?: as (?P<id>\S+))?(?P<refund>, refund policy)?",
        lambda match: payment(
            match["id"],
            order_id=match["order"],
            approved_at_ms=instant_ms(match["at"]),
            reacquire=match["refund"] is None,
        ),
    ),
    (
        (
            r"invoice of (?P<order>\S+?)(?: as (?P<id>\S+?))?(?:: (?P<units>.+?))?"
            rf"(?:, received (?P<received>{MOMENT}))?"
        ),
        lambda match: invoice(
            match["id"],
            *named_units(match["units"]),
            order_id=match["order"],
            invoiced_at_ms=instant_ms(match["at"]),
        ),
    ),
    (
        r"cancellation of (?P<order>\S+?)(?: as (?P<id>\S+?))?(?:: (?P<units>.+))?",
        lambda match: cancellation(
            match["id"],
            *named_units(match["units"]),
            order_id=match["order"],
            canceled_at_ms=instant_ms(match["at"]),
        ),
    ),
    (
        r"deadline of (?P<order>\S+)",
        lambda match: deadline(instant_ms(match["at"]), order_id=match["order"]),
    ),
    (
        r"retention of (?P<order>\S+), version (?P<version>\d+)",
        lambda match: RetentionReached(
            ACCOUNT, match["order"], int(match["version"]), instant_ms(match["at"])
        ),
    ),
)
