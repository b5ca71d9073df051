"""Files and functions stay small enough to be read in one go."""

import ast
import re

from tests.tidy.tree import PACKAGE, ROOT, files, name_of, nodes

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
LINE_LENGTH_MAX = 100

LUA_FUNCTION = re.compile(r"^(?:local )?function .*?^end$", re.MULTILINE | re.DOTALL)


def test_every_file_of_code_stays_under_400_lines() -> None:
    """A longer file holds more than one thing, and its name can say only one."""
    lengths = {
        name_of(path): len(path.read_text(encoding="utf-8").splitlines())
        for path in files(".py", ".lua")
    }
    assert {} == {name: lines for name, lines in lengths.items() if lines >= FILE_LINES_MAX}


def test_every_python_function_stays_under_70_lines() -> None:
    """What does not fit on a screen cannot be seen to be right."""
    long_ones = [
        f"{name_of(path)}:{node.lineno} {node.name}: {lines} lines"
        for path in files(".py")
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) >= FUNCTION_LINES_MAX
    ]
    assert [] == long_ones


def test_every_lua_function_stays_under_70_lines() -> None:
    """The same holds for what runs inside Redis, more than anywhere."""
    long_ones = [
        f"{name_of(path)}: {found[0].splitlines()[0]}: {lines} lines"
        for path in files(".lua", under=PACKAGE)
        for found in LUA_FUNCTION.finditer(path.read_text(encoding="utf-8"))
        if (lines := found[0].count("\n") + 1) >= FUNCTION_LINES_MAX
    ]
    assert [] == long_ones


def test_no_lua_line_is_longer_than_100_columns() -> None:
    """Ruff sees to the Python; nothing else sees to the Lua."""
    long_ones = [
        f"{name_of(path)}:{number}"
        for path in files(".lua", under=ROOT)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if len(line) > LINE_LENGTH_MAX
    ]
    assert [] == long_ones
