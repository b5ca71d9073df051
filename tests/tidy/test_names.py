"""Names say what they hold, in whole words."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.tidy.tree import ROOT, files, name_of, nodes

MODULES_NAMED_FOR_NOTHING = frozenset(
    {"base", "common", "core", "helper", "helpers", "manager", "misc", "tools", "util", "utils"}
)
ABBREVIATIONS = frozenset(
    re.findall(
        r"\w+",
        """
        acc acct addr addrs amt arr auth buf btn calc cb cfg cmd cnt coll conf conn ctx cur curr
        dest dict diff dir dirs dst dt elem err errs ev evt exc expr fmt fn fns fp freq func
        hdr hdrs idx img impl inc inv kw lst lvl mgr msg msgs num nums obj objs op opt opts ord
        param params pkg pos prev proc prod ptr qty recv ref refs reg rep repo req reqs res resp
        resv ret rsv sec secs sep seq sess src srv stmt str svc sys tbl temp tmp tok
        topo trx tx txn ts usr util val vals var vars whs
        """,
    )
)
NAMES_OF_LIBRARIES = frozenset({"tmp_path", "tmp_path_factory", "_load_env_vars", "sys_version"})
"""Fixtures of pytest, and what pydantic-settings and http.server look for."""
LUA_NAMES = re.compile(
    r"\blocal (?:function )?([\w, ]+?)(?: =|\(|$)|\bfunction [\w.:]*\(([^)]*)\)", re.MULTILINE
)
LUA_NAMES = re.compile(
    r"\blocal (?:function )?([\w, ]+?)(?: =|\(|$)|\bfunction [\w.:]*\(([^)]*)\)", re.MULTILINE
)


def test_no_module_is_named_for_nothing() -> None:
    """In `utils` anything may be put, so everything ends there, and nobody looks for it there."""
    bad = [
        name_of(path)
        for path in files(".py", ".lua")
        if MODULES_NAMED_FOR_NOTHING & {path.stem, path.parent.name}
    ]
    assert [] == bad


def test_no_python_name_is_abbreviated() -> None:
    """Nobody should have to guess whether `res` is a result, a reservation or a response."""
    bad = [
        f"{name_of(path)}:{line} {name}"
        for path in files(".py")
        for line, name in _names_given(path)
        if _abbreviated(name)
    ]
    assert [] == bad


def test_no_lua_name_is_abbreviated() -> None:
    """The step is the part of the code that most needs to be understood."""
    bad = [
        f"{name_of(path)} {name.strip()}"
        for path in files(".lua", under=ROOT)
        for found in LUA_NAMES.finditer(path.read_text(encoding="utf-8"))
        for name in (found[1] or found[2] or "").split(",")
        if _abbreviated(name.strip())
    ]
    assert [] == bad


def _names_given(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, name) of all that the file itself names: not what it uses of others."""
    for node in nodes(path):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, node.attr
            case _:
                pass


def _abbreviated(name: str) -> bool:
    if name.startswith("__") or name in NAMES_OF_LIBRARIES:
        return False
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)
    return bool(ABBREVIATIONS & {word.lower() for word in words})
