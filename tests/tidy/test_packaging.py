"""What is installed is what was looked at."""

import re
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest
from hatchling.builders.wheel import WheelBuilder

from tests.tidy.tree import PACKAGE, ROOT, files, name_of, project_files

REQUIREMENTS = ROOT / "deploy" / "requirements"
LOCKED = (
    *files(".txt", under=REQUIREMENTS),
    *files(".txt", under=ROOT / "tests" / "benchmarks" / "peers"),
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINNED = re.compile(
    r"^(?P<name>[a-z0-9.-]+)==(?P<version>\S+)(?P<marker> ; [^\\\n]+)?"
    r"(?: \\\n    --hash=sha256:[0-9a-f]{64})+$",
    re.MULTILINE,
)


@pytest.mark.parametrize("path", LOCKED, ids=name_of)
def test_requirements_are_versions_and_hashes_and_nothing_else(path: Path) -> None:
    """An address in a lock file would override where the user's machine gets packages from."""
    text = path.read_text(encoding="utf-8")
    assert PINNED.search(text)
    assert "" == PINNED.sub("", text).strip()


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("run", PROJECT["dependencies"]),
        ("embedded", PROJECT["dependencies"] + PROJECT["optional-dependencies"]["embedded"]),
        ("dev", PROJECT["dependencies"] + PROJECT["optional-dependencies"]["embedded"]),
    ],
)
def test_every_dependency_is_pinned(name: str, wanted: list[str]) -> None:
    """Otherwise `make lock` was forgotten after a change of pyproject.toml."""
    text = (REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8")
    pinned = {found["name"] for found in PINNED.finditer(text)}
    assert set() == {re.split(r"[<>=!~ ]", line)[0] for line in wanted} - pinned


def test_all_requirements_pin_the_same_versions() -> None:
    """What the tests ran with is what the image runs with."""
    versions: dict[str, set[str]] = {}
    for path in files(".txt", under=REQUIREMENTS):
        for found in PINNED.finditer(path.read_text(encoding="utf-8")):
            versions.setdefault(found["name"], set()).add(found["version"])
    assert {} == {name: found for name, found in versions.items() if len(found) > 1}


def test_the_changelog_begins_with_the_version_of_the_package() -> None:
    """Whoever upgrades looks there first."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", text, re.MULTILINE)
    assert [PROJECT["version"]] == released[:1]
    assert "## [Unreleased]" in text


def test_the_license_is_in_the_tree() -> None:
    """The license's own text must travel with the code."""
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache-2.0" == PROJECT["license"]
    assert "Version 2.0, January 2004" in text, name_of(ROOT / "LICENSE")


def test_the_wheel_has_every_file_of_the_package(tmp_path: Path) -> None:
    """Scripts, checksums and the mark of types are data: a build may leave them out unnoticed."""
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with ZipFile(wheel) as contents:
        names = set(contents.namelist())
    needed = {name_of(path) for path in project_files() if path.is_relative_to(PACKAGE)}
    assert "reservation_worker/py.typed" in needed
    assert set() == needed - names
