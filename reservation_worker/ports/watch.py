"""Which calls of clients are under way: some of them do not keep their own time-outs.

A call that outlasts its bound several times over will not come back. Its thread cannot be freed,
so the process ends, which is safe at any moment: whatever was not committed is read again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

BOUNDS_MAX: Final = 3
"""A call that lasts so many times its bound is stuck: once is a slow server, twice a retry."""


@dataclass(frozen=True, slots=True)
class StuckCall:
    """A call that nobody may hope for any more."""

    what: str
    bound_ms: int
    lasts_ms: int


class WatchedCall:
    """One call, from the beginning to the end of a ``with`` block."""

    __slots__ = ("_watch", "begun_at_ms", "bound_ms", "what")

    def __init__(self, watch: "CallWatch", what: str, bound_ms: int) -> None:
        """Begin nothing yet."""
        self._watch = watch
        self.what = what
        self.bound_ms = bound_ms
        self.begun_at_ms = 0

    def __enter__(self) -> Self:
        """Begin."""
        self.begun_at_ms = self._watch.now_ms()
        self._watch.under_way[id(self)] = self
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """End, however it went."""
        self._watch.under_way.pop(id(self), None)


class CallWatch:
    """All calls of one process, of all its threads."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        """Take a clock that never goes backwards."""
        self.now_ms = now_ms
        self.under_way: dict[int, WatchedCall] = {}

    def call(self, what: str, bound_ms: int) -> WatchedCall:
        """Return a ``with`` block for one call; `bound_ms`: its own time-out, or its callee's."""
        return WatchedCall(self, what, bound_ms)

    def stuck(self) -> StuckCall | None:
        """Return the call that has been stuck for longest; None: all of them may still end."""
        now_ms = self.now_ms()
        found = [
            StuckCall(call.what, call.bound_ms, now_ms - call.begun_at_ms)
            for call in list(self.under_way.values())
            if now_ms - call.begun_at_ms >= BOUNDS_MAX * call.bound_ms
        ]
        return max(found, key=lambda one: one.lasts_ms, default=None)


UNWATCHED: Final = CallWatch(lambda: 0)
"""For programs that somebody watches anyway: nothing is ever stuck."""
