"""Topics that are as a test says."""

from collections.abc import Mapping


class InMemoryTopics:
    """Always as they must be, but for what a test puts into `sentences`."""

    def __init__(self) -> None:
        self.sentences: tuple[str, ...] = ()
        self.unreachable: dict[int, str] = {}
        self.looks_total = 0

    def look(self) -> None:
        """Look once."""
        self.looks_total += 1

    def problems(self) -> tuple[str, ...]:
        """Return what keeps the worker from its work."""
        return self.sentences

    def unreachable_shards(self) -> Mapping[int, str]:
        """Return the shards of which nothing can be published or read back now, and why."""
        return self.unreachable
