"""A worker as `reservation-worker run` runs it, which sends itself a signal at a waypoint.

It starts on what it finds: the topics are not held against its retention.
"""

import argparse
import os
import signal

from reservation_worker.cli.options import read_settings
from reservation_worker.cli.run import RunRole, leave, log_to_stderr, run_worker
from reservation_worker.composition import Surroundings
from reservation_worker.ports import Waypoint
from reservation_worker.worker import StopSignals


class Tripwire:
    """Sends its own process a signal at the n-th passing of a waypoint."""

    def __init__(self, waypoint: Waypoint, passing: int, number: signal.Signals) -> None:
        self._waypoint = waypoint
        self._passings_left = passing
        self._number = number

    def __call__(self, waypoint: Waypoint) -> None:
        """Pass a waypoint."""
        if waypoint is not self._waypoint:
            return
        self._passings_left -= 1
        if self._passings_left == 0:
            os.kill(os.getpid(), self._number)


def main() -> None:
    """Run, and take the signal at the waypoint."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--role", type=RunRole, required=True)
    parser.add_argument("--waypoint", type=Waypoint)
    parser.add_argument("--passing", type=int)
    parser.add_argument("--signal", type=int)
    arguments = parser.parse_args()
    settings = read_settings(None)
    log_to_stderr(settings)
    signals = StopSignals()
    signals.install()
    surroundings = Surroundings()
    if arguments.waypoint is not None:
        number = signal.Signals(arguments.signal)
        tripwire = Tripwire(arguments.waypoint, arguments.passing, number)
        surroundings = Surroundings(waypoint=tripwire)
    leave(run_worker(settings, arguments.role, signals, surroundings))


if __name__ == "__main__":
    main()
