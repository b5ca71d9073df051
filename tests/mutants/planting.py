"""Mutants as they are written down, and how one is planted in a copy of the tree."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
DATA: Final = Path(__file__).with_name("mutants.toml")


class CannotBePlanted(Exception):
    """The text that a mutant changes is not, or not only once, in its file."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A text that stands exactly once in a file, and what stands there instead."""

    file: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """One planted bug."""

    name: str
    breaks: str
    """What it does to somebody, in a sentence."""
    guarantee: str
    tests: tuple[str, ...]
    """The nearest ones: files of tests, or single tests, from the root of the project."""
    edits: tuple[Edit, ...]


def read_mutants(path: Path = DATA) -> tuple[Mutant, ...]:
    """Return all mutants in the order in which they are written down.

    Raises:
        ValueError: a name is given twice, or an edit changes nothing.
    """
    with path.open("rb") as file:
        mutants = tuple([_mutant(table) for table in tomllib.load(file)["mutant"]])
    names = [one.name for one in mutants]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"There is more than one mutant of the name {', '.join(twice)}.")
    idle = [one.name for one in mutants if any(edit.before == edit.after for edit in one.edits)]
    if idle:
        raise ValueError(f"An edit changes nothing: {', '.join(idle)}.")
    return mutants


def planted(root: Path, edits: tuple[Edit, ...]) -> Mapping[Path, str]:
    """Return the files that a mutant changes, as they are with it; nothing is written here.

    Raises:
        CannotBePlanted: a text is not in its file, or stands there more than once.
    """
    texts: dict[Path, str] = {}
    for edit in edits:
        path = root / edit.file
        if not path.is_file():
            raise CannotBePlanted(f"There is no file {edit.file}.")
        text = texts.get(path) or path.read_text("utf-8")
        found = text.count(edit.before)
        if found > 1:
            raise CannotBePlanted(
                f"{edit.file} has {found} times, where once is needed:\n{edit.before}"
            )
        if not found:
            line, nearest = _nearest(text, edit.before)
            raise CannotBePlanted(
                f"{edit.file} has no longer:\n{edit.before}\n"
                f"The nearest text is in line {line}:\n{nearest}"
            )
        texts[path] = text.replace(edit.before, edit.after)
    return texts


def _mutant(table: Mapping[str, Any]) -> Mutant:
    return Mutant(
        table["name"],
        table["breaks"],
        table["guarantee"],
        tuple(table["tests"]),
        tuple([Edit(one["file"], one["before"], one["after"]) for one in table["edit"]]),
    )


def _nearest(text: str, wanted: str) -> tuple[int, str]:
    """Return the lines that are most like a text, and the number of the first of them."""
    lines, height = text.splitlines(), len(wanted.splitlines())
    windows = ["\n".join(lines[at : at + height]) for at in range(max(1, len(lines) - height + 1))]
    matcher = SequenceMatcher(b=wanted, autojunk=False)
    best, line = -1.0, 1
    for number, window in enumerate(windows, 1):
        matcher.set_seq1(window)
        if matcher.real_quick_ratio() > best and (ratio := matcher.ratio()) > best:
            best, line = ratio, number
    return line, windows[line - 1]
