"""Clients that are made anew when they no longer hear anybody.

After a broker had stood still for 8 s, an admin client went on saying "Failed while waiting for
controller: Local: Timed out" for as long as it was watched (three minutes), while all other clients
of its process had long gone on: the worker worked, and was never ready again.
"""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

Client = TypeVar("Client")

UNANSWERED_MAX: Final = 3
"""So many calls in a row without an answer are an outage, or the client's own trouble."""


class Renewing(Generic[Client]):
    """One client at a time, for calls that can be made by any; used by one thread."""

    def __init__(self, make: Callable[[], Client]) -> None:
        self._make = make
        self._unanswered = 0
        self.client = make()
        """The one to call now; never to be kept."""

    def answered(self) -> None:
        """The last call was answered, be it by a refusal."""
        self._unanswered = 0

    def unanswered(self) -> None:
        """The last call was not answered: after some of these the next one has a new client."""
        self._unanswered += 1
        if self._unanswered >= UNANSWERED_MAX:
            self._unanswered = 0
            self.client = self._make()
