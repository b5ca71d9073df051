"""The clocks that the loops are given."""

from typing import Protocol


class Clock(Protocol):
    """The wall clock, and one that nobody can set."""

    def now_ms(self) -> int:
        """Return milliseconds since the epoch, UTC."""
        ...

    def monotonic_ms(self) -> int:
        """Return milliseconds since some moment; never goes backwards."""
        ...
