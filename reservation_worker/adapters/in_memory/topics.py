"""Topics that are as a test says."""


class InMemoryTopics:
    """Always as they must be, but for what a test puts into `sentences`."""

    def __init__(self) -> None:
        self.sentences: tuple[str, ...] = ()
        self.looks_total = 0

    def look(self) -> None:
        """Look once."""
        self.looks_total += 1

    def problems(self) -> tuple[str, ...]:
        """Return what keeps the worker from its work."""
        return self.sentences
