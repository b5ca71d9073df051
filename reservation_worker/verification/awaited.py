"""Looks at Redis that wait until the topics have been read as far as the look has seen."""

from collections import deque

from reservation_worker.contracts.records import OutputTopic
from reservation_worker.domain.values import value_class
from reservation_worker.verification.notebook import Row


@value_class(frozen=True, slots=True)
class AwaitedLook:
    """At this step, the topics must say of a key what Redis has said."""

    step: int
    key: str
    digest: bytes | None
    """None: Redis has no such key."""


@value_class(frozen=True, slots=True)
class Mismatch:
    """At the step of the look, the topics said something else."""

    key: str
    row: Row | None


class Awaited:
    """Looks in the order in which they were taken, so their steps never fall."""

    def __init__(self) -> None:
        self._looks: dict[OutputTopic, deque[AwaitedLook]] = {
            topic: deque() for topic in OutputTopic
        }

    def __len__(self) -> int:
        return sum(map(len, self._looks.values()))

    @property
    def last_step(self) -> int:
        """So far the topics must be read until nothing is awaited any more."""
        return max((looks[-1].step for looks in self._looks.values() if looks), default=0)

    def add(self, topic: OutputTopic, look: AwaitedLook) -> None:
        """Wait for the step of a look."""
        self._looks[topic].append(look)

    def next_step(self, topic: OutputTopic) -> int | None:
        """Return the step of the oldest look; None: nothing is awaited."""
        looks = self._looks[topic]
        return looks[0].step if looks else None

    def take(self, topic: OutputTopic, up_to_step: int) -> list[AwaitedLook]:
        """Return the looks up to a step, which are awaited no longer."""
        looks, taken = self._looks[topic], []
        while looks and looks[0].step <= up_to_step:
            taken.append(looks.popleft())
        return taken

    def clear(self) -> None:
        """Wait for nothing any more."""
        for looks in self._looks.values():
            looks.clear()
