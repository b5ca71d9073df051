"""What the apply loop needs to know of the counts that wait: how far they reach, and are applied.

A refusal is final, so it must not be an accident of reading: after whatever interrupted reading,
counts that were already there are applied first, by whichever member of the group holds them.
"""

from collections.abc import Mapping
from typing import Protocol

from reservation_worker.domain.values import value_class


@value_class(frozen=True, slots=True)
class CountsOfPartition:
    """What one partition of the counts' topic holds, and how much of it is applied."""

    start: int
    """The first offset that it still has."""
    end: int
    """Its last stable offset: what is behind it cannot be read, and may never be."""
    committed: int | None
    """What the apply group has committed: applied and published up to there; None: nothing."""


@value_class(frozen=True, slots=True)
class CountsAnswer:
    """What the brokers said of all partitions of the counts' topic, at one moment."""

    partitions: Mapping[int, CountsOfPartition]
    silent: Mapping[int, str]
    """Those of which nobody can tell now, and why: without a leader, for instance."""


class CountsQuestion(Protocol):
    """A question that was asked, and whose answer nobody has taken yet."""

    def answer(self) -> CountsAnswer | None:
        """Return the answer; None while there is none. Never waits, and always ends in time.

        Raises:
            BrokerUnavailable: Kafka does not answer; ask again.
        """
        ...


class CountOffsets(Protocol):
    """How far the counts reach, and how far the whole apply group has applied and published them.

    All partitions, whoever holds them: asked anew each time, nothing is remembered.
    """

    def ask(self) -> CountsQuestion:
        """Begin to ask, without waiting; the answer is not older than this call."""
        ...
