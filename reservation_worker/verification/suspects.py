"""Keys in which two books have seemed to differ, and that are looked at again."""

from collections.abc import Iterator, Sequence

from reservation_worker.ports import Entry
from reservation_worker.verification.indexes import reservation_of


class Suspects:
    """A bounded number of them; the others are counted."""

    def __init__(self, named_max: int) -> None:
        self.unnamed = 0
        self._named_max = named_max
        self._reservations: dict[str, list[Entry]] = {}
        self._stocks: dict[str, None] = {}

    def add_reservations(self, keys: Sequence[str], entries: Sequence[Entry] = ()) -> None:
        """Suspect reservations, and those of these entries that speak of them."""
        for key in keys:
            if key in self._reservations or self._has_room():
                known = self._reservations.setdefault(key, [])
                known += [
                    one for one in entries if reservation_of(*one) == key and one not in known
                ]

    def add_stocks(self, keys: Sequence[str]) -> None:
        """Suspect stocks."""
        for key in keys:
            if key in self._stocks or self._has_room():
                self._stocks[key] = None

    def reservations(self, keys_max: int) -> Iterator[tuple[list[str], list[Entry]]]:
        """Return the suspected reservations with their entries, some at a time."""
        keys = list(self._reservations)
        for first in range(0, len(keys), keys_max):
            some = keys[first : first + keys_max]
            yield some, [entry for key in some for entry in self._reservations[key]]

    def stocks(self, keys_max: int) -> Iterator[list[str]]:
        """Return the suspected stocks, some at a time."""
        keys = list(self._stocks)
        for first in range(0, len(keys), keys_max):
            yield keys[first : first + keys_max]

    def _has_room(self) -> bool:
        if len(self._reservations) + len(self._stocks) < self._named_max:
            return True
        self.unnamed += 1
        return False
