"""Data to stdout, everything else to stderr."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence

TELL_EVERY_SECONDS = 5

JsonValue = str | int | float | bool | None | Sequence["JsonValue"] | dict[str, "JsonValue"]


def write_json(value: JsonValue) -> None:
    """Write one line of JSON."""
    write_line(json.dumps(value, ensure_ascii=False, default=str))


def write_line(line: str) -> None:
    """Write one line of data."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def tell(line: str) -> None:
    """Say how it goes."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def teller() -> Callable[[str], None]:
    """Return what says how it goes, and says no more than one line in some seconds."""
    told = time.monotonic()

    def tell_now_and_then(line: str) -> None:
        nonlocal told
        if time.monotonic() - told >= TELL_EVERY_SECONDS:
            told = time.monotonic()
            tell(line)

    return tell_now_and_then


def write_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write columns, each as wide as its widest cell."""
    table = [tuple(headings), *(tuple(str(cell) for cell in row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(headings))]
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        write_line("  ".join(cells).rstrip())
