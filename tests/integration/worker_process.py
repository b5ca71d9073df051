"""Workers that are forked from a process which has imported all of this.

One is exactly what `reservation-worker run` is. The other starts on what it finds, for the topics
are not held against its retention, and may send itself a signal at a waypoint.
"""

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from reservation_worker.cli import main
from reservation_worker.cli.options import read_settings
from reservation_worker.cli.run import RunRole, leave, log_to_stderr, run_worker
from reservation_worker.composition import Surroundings
from reservation_worker.ports import Waypoint
from reservation_worker.worker import Role, StopSignals
from tests.clocks import ShiftedClock


@dataclass(frozen=True, slots=True)
class Fate:
    """The signal that a worker sends itself at the n-th passing of a waypoint."""

    waypoint: Waypoint
    passing: int = 1
    number: signal.Signals = signal.SIGKILL


class Tripwire:
    """Sends its own process the signal."""

    def __init__(self, fate: Fate) -> None:
        self._fate = fate
        self._passings_left = fate.passing

    def __call__(self, waypoint: Waypoint) -> None:
        """Pass a waypoint."""
        if waypoint is not self._fate.waypoint:
            return
        self._passings_left -= 1
        if self._passings_left == 0:
            os.kill(os.getpid(), self._fate.number)


def run(
    environment: Mapping[str, str],
    log_path: Path,
    role: Role,
    fate: Fate | None,
    *,
    is_checked: bool,
    clock_offset_ms: int = 0,
) -> None:
    """Be a worker with these variables and this log, to its end."""
    _begin(environment, log_path)
    if fate is None and is_checked and not clock_offset_ms:
        sys.argv = ["reservation-worker", "run", "--role", role.value]
        main()
    settings = read_settings(None)
    log_to_stderr(settings)
    signals = StopSignals()
    signals.install()
    surroundings = Surroundings(
        waypoint=Tripwire(fate) if fate else lambda _waypoint: None,
        topic_layout=lambda layout: layout if is_checked else replace(layout, reservations=None),
        clock=lambda clock: ShiftedClock(clock, clock_offset_ms),
    )
    leave(run_worker(settings, RunRole(role.value), signals, surroundings))


def _begin(environment: Mapping[str, str], log_path: Path) -> None:
    """Be as a process that was started with these variables and this log."""
    os.environ.clear()
    os.environ.update(environment)
    with log_path.open("ab") as log:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(log.fileno(), stream.fileno())
