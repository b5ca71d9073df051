"""Tests run against a copy of the tree in which a mutant is planted."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

from tests.mutants.planting import ROOT, CannotBePlanted, Mutant, planted

COPIED: Final = ("reservation_worker", "tests", "schemas", "docs", "deploy", "pyproject.toml")
NOT_COPIED: Final = shutil.ignore_patterns("__pycache__", "target", "*.svg")
ALL_GREEN: Final = 0
SOME_RED: Final = 1
"""Exit codes of pytest; every other one says that the tests did not run."""
RED: Final = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)
OUTPUT_LINES_SHOWN: Final = 15


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant."""

    killed_by: str = ""
    """The first test that turned red; empty: none did."""
    problem: str = ""
    """Why nothing can be said of it; empty: it was planted, and the tests ran."""

    @property
    def text(self) -> str:
        """Return it as the table has it."""
        return f"**{self.problem}**" if self.problem else self.killed_by or "**SURVIVED**"


class Copy:
    """A copy of the tree; the tests in it run against the code in it."""

    def __init__(self, directory: Path, timeout_seconds: float) -> None:
        """Copy what tests need."""
        self._directory = directory
        self._timeout_seconds = timeout_seconds
        self._running: subprocess.Popen[str] | None = None
        self._is_ended = False
        self._lock = Lock()
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, directory / name, ignore=NOT_COPIED)
            else:
                shutil.copy2(source, directory / name)

    def judge(self, mutant: Mutant) -> Verdict:
        """Plant a mutant, run its tests, and take it out again."""
        try:
            texts = planted(self._directory, mutant.edits)
        except CannotBePlanted as problem:
            return Verdict(problem=f"cannot be planted: {problem}")
        originals = {path: path.read_bytes() for path in texts}
        try:
            for path, text in texts.items():
                path.write_text(text, "utf-8")
                _forget_compiled(path)
            return self.run(mutant.tests)
        finally:
            for path, original in originals.items():
                path.write_bytes(original)
                _forget_compiled(path)

    def run(self, tests: Iterable[str], timeout_seconds: float | None = None) -> Verdict:
        """Run tests until one is red; one that hangs is ended, and counts as red."""
        timeout_seconds = timeout_seconds or self._timeout_seconds
        command = [
            *(sys.executable, "-m", "pytest", "-x", "-q", "--tb=line", "-rfE"),
            *("-p", "no:cacheprovider", "-o", "addopts=", *tests),
        ]
        with self._lock:
            if self._is_ended:
                return Verdict(problem="was not tried")
            process = subprocess.Popen(
                command,
                cwd=self._directory,
                env={**os.environ, "PYTHONPATH": str(self._directory)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            self._running = process
        try:
            output, _ = process.communicate(timeout=timeout_seconds)
        except subprocess.TimeoutExpired:
            self._kill()
            process.communicate()
            return Verdict(killed_by=f"time-out after {timeout_seconds:.0f} s")
        finally:
            self._kill()
        return _verdict(process.returncode, output)

    def end(self) -> None:
        """End what runs, and run nothing more."""
        with self._lock:
            self._is_ended = True
        self._kill()

    def _kill(self) -> None:
        """End the tests and what they have started; servers end with the process that did."""
        process = self._running
        if process is not None and process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _verdict(code: int, output: str) -> Verdict:
    if code == ALL_GREEN:
        return Verdict()
    red = RED.search(output)
    if code == SOME_RED and red is not None:
        return Verdict(killed_by=red[1].removeprefix("tests/"))
    last = "\n".join(output.splitlines()[-OUTPUT_LINES_SHOWN:])
    return Verdict(problem=f"the tests did not run, pytest ended with {code}:\n{last}")


def _forget_compiled(path: Path) -> None:
    """Python tells a changed file by its size and its second of writing: both may be the same."""
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()
