"""What may stand in one place only stands there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.tidy.tree import PACKAGE, ROOT, files, name_of, nodes, project_files

TOP_LEVEL = frozenset(
    {
        ".ci",
        ".dockerignore",
        ".editorconfig",
        ".gitattributes",
        ".gitignore",
        "CHANGELOG.md",
        "LICENSE",
        "Makefile",
        "README.md",
        "deploy",
        "docs",
        "pyproject.toml",
        "reservation_worker",
        "schemas",
        "tests",
    }
)
METRIC_CLASSES = frozenset({"Counter", "Enum", "Gauge", "Histogram", "Info", "Summary"})
ESCAPES = re.compile(
    r"\b(?:skip|skipif|xfail|importorskip)\b\s*\(|mark\.(?:skip|xfail)|unittest\.mock|MagicMock"
)


def test_the_top_level_holds_what_it_should_and_nothing_else() -> None:
    """A newcomer reads this list first."""
    present = {path.relative_to(ROOT).parts[0] for path in project_files()}
    assert TOP_LEVEL == present


def test_all_exceptions_are_caught_in_the_loop_only() -> None:
    """Anywhere else it would hide a bug; the loop is where an unknown failure ends a process."""
    catching = [
        name_of(path) for path in files(".py") for node in nodes(path) if _catches_all(node)
    ]
    assert len(catching) <= 1, catching
    assert all(name.startswith("reservation_worker/worker") for name in catching), catching


def test_protocols_are_declared_in_ports_only() -> None:
    """An abstraction is for the boundary; inside, the thing itself is passed."""
    assert {"ports"} == {
        path.relative_to(PACKAGE).parts[0]
        for path in files(".py", under=PACKAGE)
        if "Protocol" in _imported(path, "typing")
    }


def test_metrics_are_made_in_telemetry_only() -> None:
    """Names of metrics are a contract with whoever watches them: one place holds them."""
    assert {"telemetry"} == {
        path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for path in files(".py", under=PACKAGE)
        if METRIC_CLASSES & _imported(path, "prometheus_client")
    }


def test_nothing_takes_whatever_keywords_are_given() -> None:
    """A signature that takes everything checks nothing."""
    assert [] == [
        f"{name_of(path)}:{node.lineno} {node.name}"
        for path in files(".py", under=PACKAGE)
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.args.kwarg is not None
        and not node.name.startswith("_")
    ]


def test_no_test_is_skipped_and_nothing_is_mocked() -> None:
    """A test that does not run proves nothing, and a mock proves that the mock works."""
    assert [] == [
        f"{name_of(path)}: {found[0]}"
        for path in files(".py", under=ROOT / "tests")
        if path != Path(__file__).resolve()
        for found in ESCAPES.finditer(path.read_text(encoding="utf-8"))
    ]


def test_tests_sleep_only_between_two_looks_at_a_condition() -> None:
    """A test that sleeps is slow on a fast machine and fails on a slow one."""
    sleeping = {
        name_of(path)
        for path in files(".py", under=ROOT / "tests")
        if "benchmarks" not in path.parts and any(_sleeps(path))
    }
    assert sleeping <= {"tests/waiting.py"}


def _catches_all(node: ast.AST) -> bool:
    if not isinstance(node, ast.ExceptHandler):
        return False
    if any(isinstance(one, ast.Raise) and one.exc is None for one in ast.walk(node)):
        return False  # it cleans up, or explains what it knows, and lets the rest go on
    caught = node.type
    if caught is None:
        return True
    several = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(
        isinstance(one, ast.Name) and one.id in {"Exception", "BaseException"} for one in several
    )


def _imported(path: Path, module: str) -> set[str]:
    return {
        alias.name
        for node in nodes(path)
        if isinstance(node, ast.ImportFrom) and node.module == module
        for alias in node.names
    }


def _sleeps(path: Path) -> Iterator[bool]:
    for node in nodes(path):
        match node:
            case ast.Attribute(value=ast.Name(id="time"), attr="sleep"):
                yield True
            case ast.ImportFrom(module="time", names=names):
                yield any(alias.name == "sleep" for alias in names)
            case _:
                pass
