"""What restoring a shard needs: of Redis the writing, of Kafka the reading back."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from reservation_worker.domain.values import value_class
from reservation_worker.ports.store import ShardState, StepRefused

Published_contra = TypeVar("Published_contra", contravariant=True)
Published_co = TypeVar("Published_co", covariant=True)
"""A record of an output topic, as it was read back."""


@value_class(frozen=True, slots=True)
class Turn:
    """Which call of a rebuild this is."""

    shard: int
    epoch: int
    number: int
    """From 1, each call one more than the one before it."""


class Restoring(Protocol[Published_contra]):
    """Writes a shard anew from what is published. Each method may raise `StoreUnavailable`.

    Every call names the epoch of the owner who restores, and is refused in another: one that was
    asleep changes nothing. From `begin` to `finish` every step of the shard is refused as torn, so
    whoever takes the shard over in between begins again.

    And every call has a number: it is run once, in its turn, or not at all. Made again with the
    same number and contents, because nobody knows whether it was run, it is answered as done where
    it was; one that arrives late once more changes nothing.
    """

    def begin(self, shard: int, inspected: ShardState, epoch: int) -> bool:
        """Mark the shard if ``meta`` still says what was inspected; never over a newer epoch."""
        ...

    def keys(self, shard: int, cursor: int) -> tuple[int, Sequence[bytes]]:
        """Return where to go on (0: nowhere), and some of the shard's keys."""
        ...

    def drop(self, turn: Turn, keys: Sequence[bytes]) -> int | StepRefused:
        """Remove these keys; returns the number of the next call."""
        ...

    def restore(self, turn: Turn, records: Sequence[Published_contra]) -> int | StepRefused:
        """Write stocks, or reservations after all stocks: each at most once, as of its record.

        Returns the number of the next call: this is one or several.

        Raises:
            FatallyBroken: a record cannot be understood.
        """
        ...

    def finish(self, turn: Turn, step: int) -> StepRefused | None:
        """End the restoring: the shard is at a step, and published up to there."""
        ...


@value_class(frozen=True, slots=True)
class PublishedBy:
    """A source that records of an output partition name."""

    topic: str
    source: str
    first_offset: int
    last_offset: int


class ReadBack(Protocol[Published_co]):
    """One pass over what is published of a shard: all stocks first, then all reservations.

    It ends at the end offsets that the partitions had when it began.
    """

    @property
    def finished(self) -> bool:
        """Whether everything has been returned."""
        ...

    @property
    def records_left(self) -> int:
        """At most so many records are still to come: offsets, of which compaction leaves gaps."""
        ...

    @property
    def highest_step(self) -> int:
        """The highest step whose events have been returned; 0: none."""
        ...

    @property
    def sources(self) -> Sequence[PublishedBy]:
        """Who has published what has been returned; records without a source are nobody's."""
        ...

    def read(self, records_max: int) -> Sequence[Published_co]:
        """Return the next records in the order of their partition, all of one topic.

        Waits a moment while there is nothing.

        Raises:
            BrokerUnavailable: the partition cannot be read, or a transaction is still open in it.
        """
        ...

    def close(self) -> None:
        """Read no further."""
        ...


class Outputs(Protocol[Published_co]):
    """The output topics, as a shard's owner reads them back."""

    def yield_nothing(self, shard: int) -> bool:
        """Tell whether no committed record stands in the shard's output partitions.

        Raises:
            BrokerUnavailable: Kafka does not answer, or a transaction is still open.
        """
        ...

    def read_back(self, shard: int) -> ReadBack[Published_co]:
        """Begin to read the newest state of a shard; the reading of another shard has ended.

        Raises:
            BrokerUnavailable: Kafka does not answer.
        """
        ...
