"""Joins the Lua files into scripts, and checks the contract at the top of each.

A file begins with its name, then the fields of its contract, then comments for readers::

    --- name: what it does in one sentence.
    -- Purpose: why it is a file of its own.
    -- Keys: which kinds of keys it reads or writes, or none
    -- Arguments: what it is given, or none
    -- Outcomes: which outcomes of facts or refusals of steps it can give, or none
    -- Needs: the files that it uses, in the declared order, or none
    -- Flags: of the script as Redis knows them; only in entry files, and optional
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from importlib.resources import files

from reservation_worker.domain.outcome import OutcomeKind
from reservation_worker.ports import StepRefusal

PARTS = (
    "wire",
    "chunks",
    "indexes",
    "guard",
    "stocks",
    "drafts",
    "invoicing",
    "canceling",
    "changes",
    "order_completed",
    "payment_approved",
    "order_invoiced",
    "order_canceled",
    "deadline_reached",
    "retention_reached",
    "settlement_due",
    "balance_counted",
    "reading",
    "deciding",
    "writing",
)
"""Files that others use, in the order in which they are joined: each after those it needs."""
ENTRIES = (
    "step",
    "inspect",
    "claim",
    "read_outbox",
    "mark_published",
    "due",
    "removable",
    "begin_restoring",
    "drop",
    "restore_stocks",
    "restore_reservations",
    "finish_restoring",
    "demand_rebuild",
    "look_at_reservations",
    "look_at_stocks",
    "look_at_outbox",
)
"""Files that are called: each is the end of one script."""

FIELDS_NEEDED = ("Purpose", "Keys", "Arguments", "Outcomes", "Needs")
FIELDS_ALLOWED = (*FIELDS_NEEDED, "Flags", "Replies")
KEY_KINDS = frozenset(
    {
        *("meta", "reservation", "stock", "outbox", "given"),
        *("acknowledged", "due", "settle", "over", "awaiting"),
    }
)
OUTCOMES = frozenset({*OutcomeKind, *StepRefusal})
FLAGS = frozenset({"no-writes", "allow-oom"})
SCRIPT_LINES_MAX = 3_000

_TITLE = re.compile(r"--- (?P<name>[a-z_]+): .+\.")
_FIELD = re.compile(r"-- (?P<name>[A-Z][a-z]+): (?P<text>.+)")
_CONTINUED = re.compile(r"--   (?P<text>.+)")
_FORBIDDEN = re.compile(r"math\.random|'TIME'|'RANDOMKEY'|'SRANDMEMBER'|\bos\.")


class ScriptBroken(Exception):
    """A Lua file's contract is missing, or says what its text does not keep."""


@dataclass(frozen=True, slots=True)
class Script:
    """One script as Redis is given it."""

    name: str
    text: str

    @property
    def sha(self) -> str:
        """How Redis names a loaded script: SHA-1 of its text."""
        return sha1(self.text.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class LuaFile:
    """One file whose contract has been checked."""

    name: str
    needs: tuple[str, ...]
    flags: tuple[str, ...]
    body: str


@cache
def load_scripts() -> Mapping[str, Script]:
    """Return all scripts by name; joined and checked once, for every store of the process.

    Raises:
        ScriptBroken: a file and its contract do not agree.
    """
    folder = files("reservation_worker.adapters.redis") / "lua"
    texts = {name: (folder / f"{name}.lua").read_text("utf-8") for name in (*PARTS, *ENTRIES)}
    return join_scripts({name: parse_file(name, text) for name, text in texts.items()})


def join_scripts(lua_files: Mapping[str, LuaFile]) -> Mapping[str, Script]:
    """Join each entry with the parts that it needs, directly or through others."""
    for name in (*PARTS, *ENTRIES):
        _check_needs(lua_files[name])
    scripts: dict[str, Script] = {}
    for entry in ENTRIES:
        wanted = _needed_by(entry, lua_files)
        flags = ",".join(lua_files[entry].flags)
        pieces = [f"#!lua flags={flags}" if flags else "#!lua"]
        pieces += [
            f"local {name} = (function()\n{lua_files[name].body}end)()\n"
            for name in PARTS
            if name in wanted
        ]
        text = "\n".join([*pieces, lua_files[entry].body])
        assert text.count("\n") < SCRIPT_LINES_MAX, f"{entry} has grown beyond what is readable"
        scripts[entry] = Script(entry, text)
    return scripts


def parse_file(name: str, text: str) -> LuaFile:
    """Read the contract of a file and hold its text against it.

    Raises:
        ScriptBroken: the contract is missing or incomplete, names what does not exist, or the text
            uses what the contract does not name.
    """
    fields = _contract(name, text)
    for field in FIELDS_NEEDED:
        if field not in fields:
            raise ScriptBroken(f"{name}.lua: its contract lacks {field!r}")
    keys = _names(fields["Keys"])
    _refuse_unknown(name, "key", keys, KEY_KINDS)
    _refuse_unknown(name, "outcome", _names(fields["Outcomes"]), OUTCOMES)
    flags = _names(fields.get("Flags", "none"))
    _refuse_unknown(name, "flag", flags, FLAGS)
    needs = _names(fields["Needs"])
    _refuse_unknown(name, "file", needs, frozenset(PARTS))
    if not keys and re.search(r"\bredis\.|\bchunks\.", text):
        raise ScriptBroken(f"{name}.lua: it calls Redis, but its contract names no keys")
    if found := _FORBIDDEN.search(text):
        raise ScriptBroken(f"{name}.lua: {found.group()} gives another answer each time")
    code = "\n".join(line.split("--", 1)[0] for line in text.splitlines())
    for part in PARTS:
        is_used = re.search(rf"(?<![\w.:'\"]){part}\.", code)
        if is_used and part not in (*needs, name):
            raise ScriptBroken(f"{name}.lua: it uses {part!r}, but its contract does not need it")
    return LuaFile(name, needs, flags, text)


def _contract(name: str, text: str) -> dict[str, str]:
    lines = text.splitlines()
    title = _TITLE.fullmatch(lines[0]) if lines else None
    if title is None or title["name"] != name:
        raise ScriptBroken(f"{name}.lua: it must begin with '--- {name}: what it does.'")
    fields: dict[str, str] = {}
    current = ""
    for line in lines[1:]:
        if not line.startswith("--"):
            break
        if continued := _CONTINUED.fullmatch(line):
            if current:
                fields[current] += " " + continued["text"]
        elif (field := _FIELD.fullmatch(line)) and field["name"] in FIELDS_ALLOWED:
            current = field["name"]
            fields[current] = field["text"]
        else:
            current = ""
    return fields


def _names(text: str) -> tuple[str, ...]:
    return () if text == "none" else tuple(name.strip() for name in text.split(","))


def _refuse_unknown(name: str, what: str, found: tuple[str, ...], known: frozenset[str]) -> None:
    for one in found:
        if one not in known:
            raise ScriptBroken(f"{name}.lua: its contract names an unknown {what}: {one!r}")


def _check_needs(lua_file: LuaFile) -> None:
    before = PARTS[: PARTS.index(lua_file.name)] if lua_file.name in PARTS else PARTS
    for need in lua_file.needs:
        if need not in before:
            raise ScriptBroken(f"{lua_file.name}.lua: it needs {need!r}, which is joined later")


def _needed_by(entry: str, lua_files: Mapping[str, LuaFile]) -> frozenset[str]:
    wanted = set(lua_files[entry].needs)
    for name in reversed(PARTS):
        if name in wanted:
            wanted.update(lua_files[name].needs)
    return frozenset(wanted)
