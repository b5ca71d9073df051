"""Data to stdout, everything else to stderr."""

import json
import sys
from collections.abc import Iterable, Sequence

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


def write_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write columns, each as wide as its widest cell."""
    table = [tuple(headings), *(tuple(str(cell) for cell in row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(headings))]
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        write_line("  ".join(cells).rstrip())
