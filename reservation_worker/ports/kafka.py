"""What the loops need of Kafka: input, ownership of shards, and publishing transactions."""

from collections.abc import Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from reservation_worker.domain.values import value_class

Partition = tuple[str, int]
"""A topic and the number of one of its partitions."""
Read_co = TypeVar("Read_co", covariant=True)
"""A record as it was read."""
Dead_contra = TypeVar("Dead_contra", contravariant=True)
"""A record for the dead letter topic."""
Written_contra = TypeVar("Written_contra", contravariant=True)
"""A record for an output topic, as the transactions take it."""


@value_class(frozen=True, slots=True)
class Membership:
    """Who a consumer was in its group at one moment; a transaction is checked against it.

    Never newer than the set of partitions that it was captured with: metadata fetched later
    would let a former owner pass.
    """

    member_id: str
    token: object
    """What the client calls its group metadata; opaque."""


@value_class(frozen=True, slots=True)
class Polled(Generic[Read_co]):
    """What one poll brought. What was revoked comes before what was read."""

    records: tuple[Read_co, ...]
    read_up_to: Mapping[Partition, int]
    """The next offset to read: behind the last record, or at the end of a partition."""
    revoked: frozenset[Partition]
    """Partitions that are no longer held, or were assigned anew since the last poll."""
    membership: Membership | None
    """As it was when the records were read, or before; None while outside the group."""
    interrupted: bool = False
    """Since the last poll the group has shared its partitions out anew, or no broker answered.

    Even if it changed nothing here: who held the counts may be gone.
    """
    is_settled: bool = True
    """Whether the group has told what is assigned, be it nothing, since this member joined."""


class InputLog(Protocol[Read_co, Dead_contra]):
    """The input topics as one member of the apply group reads them."""

    def poll(self, timeout_ms: int, records_max: int, linger_ms: int = 0) -> Polled[Read_co]:
        """Return what is there; wait while there is nothing, and a while for more of something.

        Raises:
            FatallyBroken: the client is, or a committed offset is out of range.
        """
        ...

    def held(self) -> frozenset[Partition]:
        """Return the partitions that are assigned to this member."""
        ...

    def set_paused(self, topics: frozenset[str]) -> None:
        """Read nothing of these topics, and all others; polling goes on.

        Partitions that are assigned later follow suit.
        """
        ...

    def seek(self, offsets: Mapping[Partition, int]) -> None:
        """Read these held partitions again from here; no broker is asked.

        Raises:
            BrokerUnavailable: some may have been moved; `seek_to_committed` before reading on.
        """
        ...

    def commit(
        self,
        offsets: Mapping[Partition, int],
        dead_letters: Sequence[Dead_contra],
        membership: Membership | None,
    ) -> None:
        """Commit offsets, in one transaction with the dead letters if there are any.

        Raises:
            BrokerUnavailable: nothing was committed; trying again is safe.
            OwnershipLost: the membership is outdated: nothing was committed.
            CommitFateUnknown: the dead letters may or may not have been committed.
        """
        ...

    def seek_to_committed(self) -> None:
        """Read every held partition again from its stable committed offset.

        Raises:
            BrokerUnavailable: some may have been moved; call again before reading on.
        """
        ...

    def close(self) -> None:
        """Leave the group."""
        ...


@value_class(frozen=True, slots=True)
class Position:
    """How far a shard is published: kept with its partition's committed offset."""

    minted: int
    """The newest epoch that an owner has been given."""
    served: int
    """The epoch of the last transaction that published; 0: none has."""
    step: int
    """The highest published step; 0: none is."""
    shards_total: int


@value_class(frozen=True, slots=True)
class OwnedShards:
    """The shards that are assigned to this process at one moment."""

    tenures: Mapping[int, int]
    """By shard, a number that differs from one assignment to the next."""
    membership: Membership | None
    """None: nothing may be published now."""
    is_settled: bool = True
    """Whether the group has told what is assigned, be it nothing, since this member joined."""
    problem: str = ""
    """Why this process is no member, as far as the brokers have told; empty: nothing is wrong."""


class ShardGroup(Protocol):
    """The group whose members own shards: one partition stands for one shard."""

    def poll(self) -> OwnedShards:
        """Serve the group, without waiting, and capture ownership and membership together."""
        ...

    def positions(self, shards: Sequence[int]) -> Mapping[int, Position | None]:
        """Read stable positions, after any open transaction; None where there is none.

        Raises:
            BrokerUnavailable: Kafka does not answer, or a transaction is still open.
            FatallyBroken: a position is written in a form that this release does not know.
        """
        ...

    def close(self) -> None:
        """Leave the group."""
        ...


class Topics(Protocol):
    """Whether the topics are what the guarantees need, as it was seen last."""

    def look(self) -> None:
        """Look once, and say what has changed.

        Raises:
            BrokerUnavailable: Kafka does not answer: what was found last still counts.
        """
        ...

    def problems(self) -> tuple[str, ...]:
        """Return what keeps the worker from its work, a sentence each."""
        ...

    def unreachable_shards(self) -> Mapping[int, str]:
        """Return the shards of which nothing can be published or read back now, and why."""
        ...


class Transactions(Protocol[Written_contra]):
    """The producer that publishes outboxes and positions together."""

    @property
    def producer(self) -> str:
        """What it is called: of two with one name, only the newer one may commit."""
        ...

    def end_of(self, producer: str) -> None:
        """End without effect what another producer has left open; it commits nothing more.

        Harmless if it lives: it takes its shards over anew.

        Raises:
            BrokerUnavailable: Kafka does not answer.
        """
        ...

    def prepare(self) -> None:
        """Have a producer with no transaction of an earlier one left open.

        Raises:
            BrokerUnavailable: Kafka does not answer.
        """
        ...

    def commit(
        self,
        records: Sequence[Written_contra],
        positions: Mapping[int, Position],
        membership: Membership,
    ) -> None:
        """Write records and positions in one transaction.

        Raises:
            BrokerUnavailable: the transaction was aborted; trying again is safe.
            OwnershipLost: the membership is outdated: nothing was committed.
            CommitFateUnknown: the producer was given up (another one with its name may have
                taken over): read the positions again before anything else.
            FatallyBroken: a record cannot be written at all.
        """
        ...

    def close(self) -> None:
        """Give the producer up."""
        ...


@value_class(frozen=True, slots=True)
class PaymentEnds:
    """How far the payment topic reached at one moment."""

    topic_id: str
    """Of the topic of that name: it may be deleted and created anew."""
    offsets: Mapping[int, int]
    """Of every partition, records of open transactions included."""


class PaymentOffsets(Protocol):
    """How far the payment topic reaches, and how far it has been applied and published."""

    def ends(self) -> PaymentEnds:
        """Return the end of every partition, records of open transactions included.

        Raises:
            BrokerUnavailable: Kafka does not answer.
        """
        ...

    def committed_offsets(self, topic_id: str) -> Mapping[int, int]:
        """Return what the apply group has committed of this very topic; absent: nothing.

        Raises:
            BrokerUnavailable: Kafka does not answer, or has another topic of that name by now.
        """
        ...
