"""Lets the apply loop wake up the publish loop of the same process."""

from threading import Event


class WakeUp:
    """A call of `wake` ends a `wait`, even one that has not begun yet."""

    def __init__(self) -> None:
        self._event = Event()

    def wake(self) -> None:
        """Say that there is something to publish."""
        self._event.set()

    def wait(self, timeout_ms: int) -> None:
        """Wait until there is something to publish, or the time is over."""
        self._event.wait(timeout_ms / 1000)
        self._event.clear()
