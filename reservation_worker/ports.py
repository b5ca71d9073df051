"""What the loops need of Redis, Kafka and the clock, and the exceptions these raise.

Unavailable                  an outage: wait, try again; nothing is lost
  StoreUnavailable             Redis cannot be reached, is full, read-only, busy or failing over
  BrokerUnavailable            Kafka cannot be reached, or refuses for now
OwnershipLost                this process no longer owns what it acted for: drop it, begin again
CommitFateUnknown            a transaction may or may not have been committed: take over anew
FatallyBroken                a client or a shard that can only be given up
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from reservation_worker.domain.facts import DeadlineReached, Fact, Settlement
from reservation_worker.domain.keys import ReservationId, StockId
from reservation_worker.domain.outcome import OutcomeKind, Remark
from reservation_worker.domain.reservation import Reservation
from reservation_worker.domain.stock import Stock
from reservation_worker.domain.values import value_class

Partition = tuple[str, int]
"""A topic and the number of one of its partitions."""
Read_co = TypeVar("Read_co", covariant=True)
"""A record as it was read."""
Dead_contra = TypeVar("Dead_contra", contravariant=True)
"""A record for the dead letter topic."""
Written_co = TypeVar("Written_co", covariant=True)
"""A record for an output topic, as it is given."""
Written_contra = TypeVar("Written_contra", contravariant=True)
"""The same, as it is taken."""


class Unavailable(Exception):
    """An outage of something this worker depends on: it delays and loses nothing."""


class StoreUnavailable(Unavailable):
    """Redis cannot be reached, or refuses to work for now (full, read-only, busy, failing over).

    The message is scrubbed: it holds no argument of the refused command.
    """


class BrokerUnavailable(Unavailable):
    """Kafka cannot be reached, or refuses to work for now."""


class OwnershipLost(Exception):
    """Another member of the group has taken over what this process acted for."""


class CommitFateUnknown(Exception):
    """A transaction may or may not have been committed."""


class FatallyBroken(Exception):
    """Neither waiting nor trying again can help; the message says what to do."""


class StepRefusal(StrEnum):
    """Why the store did not run a step: nothing was changed."""

    EPOCH = "epoch"
    """Another epoch is in force; the refusal names it."""
    SERVER = "server"
    """The server is not the one that the shard's owner has verified."""
    TORN = "torn"
    """A step was cut off in the middle of its writes: the shard must be rebuilt."""
    OUTBOX_FULL = "outbox_full"
    """Too many steps wait to be published."""


@value_class(frozen=True, slots=True)
class StepReply:
    """What one step did to a prefix of the facts that it was given."""

    outcomes: tuple[OutcomeKind, ...]
    """One for each fact of the prefix; the facts behind it must be sent again in a next step."""
    step: int
    """The shard's step after the call: what it changed *or repeats* is published with this one."""
    published: int
    """The highest step known to be published."""


@value_class(frozen=True, slots=True)
class StepRefused:
    """The store ran nothing."""

    reason: StepRefusal
    epoch: int
    """The epoch in force; 0 where the shard has none."""


@value_class(frozen=True, slots=True)
class StepCall:
    """Facts of one shard that are to become a step."""

    shard: int
    epoch: int
    facts: Sequence[Fact]


@value_class(frozen=True, slots=True)
class ShardEpoch:
    """A shard, named by who acts in an epoch."""

    shard: int
    epoch: int


@value_class(frozen=True, slots=True)
class ShardStep:
    """A step of a shard, named by who acts in an epoch."""

    shard: int
    epoch: int
    step: int


@value_class(frozen=True, slots=True)
class ShardState:
    """What a shard's ``meta`` says, and which server said it."""

    epoch: int
    """0: the shard has no ``meta``."""
    step: int
    published: int
    torn: bool
    """The *writing* mark stands: a step was cut off in the middle."""
    verified_server: str
    """``run_id/master_replid`` that the owner has verified; empty: none."""
    server: str
    """``run_id/master_replid`` of the server that answered."""


@value_class(frozen=True, slots=True)
class OutboxEntry(Generic[Written_co]):
    """What one step must publish."""

    step: int
    records: tuple[Written_co, ...]
    """In order; the same ones whenever the entry is read."""
    remarks: tuple[Remark, ...]
    """What of its changes is to be counted once they are published."""


@value_class(frozen=True, slots=True)
class DueWork:
    """Facts that the owner of a shard must state now, oldest first."""

    deadlines: tuple[DeadlineReached, ...]
    settlements: tuple[Settlement, ...]


@value_class(frozen=True, slots=True)
class Look:
    """What one look at the shards of an owner brought."""

    marked: tuple[StepRefused | None, ...]
    """As `Store.mark_published` answers."""
    latest_steps: tuple[int, ...]
    """Each shard's step, unverified: only a hint that there is something to read."""


class StepsUnderWay(Protocol):
    """Steps that were sent, and whose replies nobody has taken yet."""

    def replies(self) -> tuple[StepReply | StepRefused, ...]:
        """Wait for all of them; one reply for each call, in the order of the calls.

        Raises:
            StoreUnavailable: any of them may have been run; to send them again is harmless.
        """
        ...


class Store(Protocol[Written_co]):
    """State and outbox of every shard. Each method may raise `StoreUnavailable`."""

    def inspect(self, shard: int) -> ShardState:
        """Read a shard's ``meta`` and the identity of the server, in one atomic read."""
        ...

    def step(self, shard: int, epoch: int, facts: Sequence[Fact]) -> StepReply | StepRefused:
        """Apply a prefix of facts of one shard, in order, atomically.

        State, due index and outbox change together or not at all. At least one fact is taken.
        A step given again is harmless: its facts are repeats.
        """
        ...

    def begin_steps(self, calls: Sequence[StepCall]) -> StepsUnderWay:
        """Send steps of different shards, and come back before they are answered."""
        ...

    def read_outbox(
        self, after: Sequence[ShardStep], entries_max: int
    ) -> tuple[tuple[OutboxEntry[Written_co], ...] | StepRefused, ...]:
        """Return each shard's next entries behind a step, in order, without gaps."""
        ...

    def mark_published(self, steps: Sequence[ShardStep]) -> tuple[StepRefused | None, ...]:
        """Record that each shard's outbox is published up to a step, and trim it."""
        ...

    def due(
        self, shards: Sequence[ShardEpoch], expired_up_to_ms: int, facts_max: int
    ) -> tuple[DueWork | StepRefused, ...]:
        """Return each shard's deadlines at or before an instant, and settlements that wait."""
        ...

    def look(self, published: Sequence[ShardStep], shards: Sequence[int]) -> Look:
        """Mark what is published, and tell of shards whether there is anything new."""
        ...

    def claim(self, shard: int, inspected: ShardState, epoch: int) -> bool:
        """Write epoch and server into ``meta`` if it still says what was inspected.

        A shard without ``meta`` is begun at ``inspected.step``. Never over a newer epoch: False.
        """
        ...

    def now_ms(self) -> int:
        """Return the server's wall clock in milliseconds since the epoch, UTC."""
        ...

    def reservation(self, shard: int, reservation_id: ReservationId) -> Reservation | None:
        """Return a reservation for display; None where there is none."""
        ...

    def stock(self, shard: int, stock_id: StockId) -> Stock | None:
        """Return a stock for display, without its entries; None where there is none."""
        ...


class Clock(Protocol):
    """The wall clock, and one that nobody can set."""

    def now_ms(self) -> int:
        """Return milliseconds since the epoch, UTC."""
        ...

    def monotonic_ms(self) -> int:
        """Return milliseconds since some moment; never goes backwards."""
        ...


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


class InputLog(Protocol[Read_co, Dead_contra]):
    """The input topics as one member of the apply group reads them."""

    def poll(self, timeout_ms: int, records_max: int) -> Polled[Read_co]:
        """Return what is there; wait only while there is nothing.

        Raises:
            FatallyBroken: the client is, or a committed offset is out of range.
        """
        ...

    def held(self) -> frozenset[Partition]:
        """Return the partitions that are assigned to this member."""
        ...

    def set_paused(self, *, paused: bool) -> None:
        """Stop or resume reading; polling goes on, and newly assigned partitions follow suit."""
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


class Transactions(Protocol[Written_contra]):
    """The producer that publishes outboxes and positions together."""

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


class Outputs(Protocol):
    """The output topics, as a shard's owner reads them back."""

    def yield_nothing(self, shard: int) -> bool:
        """Tell whether no committed record stands in the shard's output partitions.

        Raises:
            BrokerUnavailable: Kafka does not answer, or a transaction is still open.
        """
        ...


class PaymentOffsets(Protocol):
    """How far the payment topic reaches, and how far it has been applied and published."""

    def end_offsets(self) -> Mapping[int, int]:
        """Return the end of every partition, records of open transactions included.

        Raises:
            BrokerUnavailable: Kafka does not answer.
        """
        ...

    def committed_offsets(self) -> Mapping[int, int]:
        """Return what the apply group has committed, by partition; absent: nothing.

        Raises:
            BrokerUnavailable: Kafka does not answer.
        """
        ...


class Waypoint(StrEnum):
    """Named points of the loops; each calls a function that does nothing, but in tests."""

    APPLY_POLLED = "apply_polled"
    APPLY_STEPPED = "apply_stepped"
    APPLY_BEFORE_COMMIT = "apply_before_commit"
    APPLY_AFTER_COMMIT = "apply_after_commit"
    DEAD_LETTERS_PRODUCED = "dead_letters_produced"
    DEAD_LETTERS_OFFSETS_SENT = "dead_letters_offsets_sent"
    DEAD_LETTERS_COMMITTED = "dead_letters_committed"
    TAKEOVER_POSITION_READ = "takeover_position_read"
    TAKEOVER_BEFORE_MINT = "takeover_before_mint"
    TAKEOVER_MINTED = "takeover_minted"
    TAKEOVER_VERIFIED = "takeover_verified"
    TAKEOVER_CLAIMED = "takeover_claimed"
    PUBLISH_OUTBOX_READ = "publish_outbox_read"
    PUBLISH_BEFORE_COMMIT = "publish_before_commit"
    """The transaction holds records and offsets, and is open."""
    PUBLISH_AFTER_COMMIT = "publish_after_commit"
    PUBLISH_BEFORE_TRIM = "publish_before_trim"
    PUBLISH_AFTER_TRIM = "publish_after_trim"
    SCHEDULE_DUE_READ = "schedule_due_read"
    SCHEDULE_STEPPED = "schedule_stepped"
