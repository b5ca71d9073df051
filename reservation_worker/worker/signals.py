"""Signals that end the process: the first one drains, the second one exits at once."""

import os
import signal
from collections.abc import Callable
from types import FrameType

SIGNAL_EXIT_CODE = 128
"""By convention a process ended by a signal exits with this plus the signal's number."""


class StopSignals:
    """Counts the signals; it sets a flag and never raises."""

    def __init__(self, exit_at_once: Callable[[int], None] = os._exit) -> None:
        self._exit_at_once = exit_at_once
        self.received: int | None = None
        """The first signal's number."""

    def install(self) -> None:
        """Take SIGTERM and SIGINT; only the main thread may."""
        signal.signal(signal.SIGTERM, self._take)
        signal.signal(signal.SIGINT, self._take)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        if self.received is None:
            self.received = number
        else:
            # Safe at any moment: whatever was not committed is read again.
            self._exit_at_once(SIGNAL_EXIT_CODE + number)
