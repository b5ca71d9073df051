"""A member that has lost its group and does not come back to it, although Kafka answers.

A client was seen to stay outside for minutes after its broker had stood still. Nothing but another
client helps, and another process has one.
"""

from collections.abc import Callable


class Rejoining:
    """Watches whether a loop that was in its group comes back to it."""

    def __init__(self, now_ms: Callable[[], int], timeout_ms: int) -> None:
        self._now_ms = now_ms
        self._timeout_ms = timeout_ms
        self._was_in = False
        self._outside_since_ms: int | None = None

    def is_given_up(self, *, is_in: bool, broker_answers: bool) -> bool:
        """Tell whether it has been outside for too long while nothing kept it from coming back.

        One that was never in is not: it may be a spare, or still waits for the first time.
        """
        self._was_in = self._was_in or is_in
        if is_in or not broker_answers or not self._was_in:
            self._outside_since_ms = None
            return False
        if self._outside_since_ms is None:
            self._outside_since_ms = self._now_ms()
        return self._now_ms() - self._outside_since_ms >= self._timeout_ms
