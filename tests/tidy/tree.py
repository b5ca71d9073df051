"""The files of the project, and what its Python files say."""

import ast
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "reservation_worker"
MADE_BY_TOOLS = frozenset(
    {
        ".git",
        ".hypothesis",
        ".import_linter_cache",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".venv",
        ".venv-peers",
        "__pycache__",
        "build",
        "dist",
        "target",
    }
)


@cache
def project_files() -> tuple[Path, ...]:
    """Return every file that is, or would be, under version control; works without git too."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return tuple(sorted(_walk(ROOT)))
    arguments = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(arguments, cwd=ROOT, check=True, capture_output=True, text=True)
    paths = (ROOT / name for name in listed.stdout.split("\0") if name)
    return tuple(sorted(path for path in paths if path.is_file()))


def _walk(directory: Path) -> Iterator[Path]:
    for path in directory.iterdir():
        if path.name in MADE_BY_TOOLS or path.name.endswith(".egg-info"):
            continue
        if path.is_dir():
            yield from _walk(path)
        else:
            yield path


def files(*suffixes: str, under: Path = ROOT) -> tuple[Path, ...]:
    """Return the project's files below a directory whose names end so."""
    return tuple(
        path for path in project_files() if path.suffix in suffixes and path.is_relative_to(under)
    )


def name_of(path: Path) -> str:
    """Return the path from the root of the project, for messages."""
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a Python file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def nodes(path: Path) -> Iterator[ast.AST]:
    """Walk all nodes of a Python file."""
    return ast.walk(parsed(path))
