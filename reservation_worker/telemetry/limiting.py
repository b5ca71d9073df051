"""No more than one line for the same trouble in ten seconds."""

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Final

import structlog
from structlog.typing import EventDict, WrappedLogger

from reservation_worker.telemetry.log_events import TROUBLES

INTERVAL_MS: Final = 10_000
KEYS_MAX: Final = 1_000
VARYING: Final = frozenset({"client", "detail", "fatal", "level", "repeated", "timestamp"})
"""Fields in which two lines of the same trouble may differ."""


class TroubleLimiter:
    """A step of the log's pipeline: drops a line that repeats an earlier one too soon.

    Only of the events in `TROUBLES`. The next line that is let through says how many were dropped.
    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        """Take a monotonic clock."""
        self._now_ms = now_ms
        self._said: dict[str, tuple[int, int]] = {}
        """By trouble, when it was said last, and how often it was not said since."""
        self._lock = Lock()

    def __call__(self, _logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
        """Let a line through, or drop it."""
        if line["event"] not in TROUBLES:
            return line
        key, now_ms = _key(line), self._now_ms()
        with self._lock:
            said_at_ms, dropped = self._said.get(key, (now_ms - INTERVAL_MS, 0))
            if now_ms - said_at_ms < INTERVAL_MS:
                self._said[key] = (said_at_ms, dropped + 1)
                raise structlog.DropEvent
            if len(self._said) >= KEYS_MAX:
                self._said.clear()
            self._said[key] = (now_ms, 0)
        if dropped:
            line["repeated"] = dropped
        return line


def _key(line: Mapping[str, object]) -> str:
    return repr(sorted((name, str(value)) for name, value in line.items() if name not in VARYING))
