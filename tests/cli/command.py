"""Runs the command line as a user does: in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from reservation_worker.settings.model import ENVIRONMENT_PREFIX

ROOT = Path(__file__).parents[2]
TIMEOUT_SECONDS = 180
PROGRAM = (sys.executable, "-m", "reservation_worker")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class CommandLine:
    """The command line with some variables set, and no others of its own."""

    variables: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    timeout_seconds: int = TIMEOUT_SECONDS

    def __call__(self, *arguments: str, stdin: str = "") -> Ended:
        """Run a command to its end."""
        process = subprocess.run(
            (*PROGRAM, *arguments),
            cwd=ROOT,
            env=self.environment(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=self.timeout_seconds,
            check=False,
        )
        return Ended(process.returncode, process.stdout, process.stderr)

    def start(self, *arguments: str, log: Path) -> "subprocess.Popen[bytes]":
        """Start a command that goes on; its stderr is the log, its stdout is beside it."""
        with log.open("wb") as stderr, log.with_suffix(".out").open("wb") as stdout:
            return subprocess.Popen(
                (*PROGRAM, *arguments),
                cwd=ROOT,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )

    def environment(self) -> dict[str, str]:
        """Return all variables of a command."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(ENVIRONMENT_PREFIX)
        }
        return {**inherited, **self.variables}
