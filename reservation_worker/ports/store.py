"""What the loops need of Redis: state and outbox of every shard."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from reservation_worker.domain.facts import DeadlineReached, Fact, RetentionReached, Settlement
from reservation_worker.domain.keys import ReservationId, StockId
from reservation_worker.domain.outcome import AnyRemark, OutcomeKind
from reservation_worker.domain.reservation import Reservation
from reservation_worker.domain.stock import Stock
from reservation_worker.domain.values import value_class

Written_co = TypeVar("Written_co", covariant=True)
"""A record for an output topic, as the store gives it."""


RECORD_AHEAD_MAX_MS = 400 * 24 * 60 * 60 * 1000
"""How far a record's timestamp may lie ahead of all other clocks and still be taken for a time: as
far as a deadline, by which its producer may hold units as well.
"""


class StepRefusal(StrEnum):
    """Why the store did not run a step: nothing was changed."""

    FOREIGN = "foreign"
    """The shard is the state of another deployment: nobody here may touch it."""
    EPOCH = "epoch"
    """Another epoch is in force; the refusal names it."""
    SERVER = "server"
    """The server is not the one that the shard's owner has verified, or has evicted keys since."""
    TORN = "torn"
    """A step was cut off in the middle of its writes: the shard must be rebuilt."""
    INCOMPLETE = "incomplete"
    """Something is not there that must be: a step of the outbox, or what an index names.

    The shard must be rebuilt.
    """
    TURN = "turn"
    """A call of a rebuild came before the one that it must follow."""
    OUTBOX_FULL = "outbox_full"
    """Too many steps wait to be published."""
    MOVES = "moves"
    """The shard is on its way to another server, and waits there and here until it has arrived.

    Of a step, some writes may be in effect: then it is *torn* from now on.
    """


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
    records_at_ms: int = 0
    """The latest timestamp of the records that stated the facts; 0: nobody wrote any."""

    def applied_at_ms(self, now_ms: int) -> int:
        """Return when the step is applied: by the latest of the clocks at hand, one given.

        What a step changes is kept for so long after this moment that nobody can send its facts
        again: too late costs memory, too early sells units twice. But a record's timestamp is its
        producer's word, and one that is far ahead of all other clocks counts only as far as a
        deadline may lie ahead.
        """
        return max(now_ms, min(self.records_at_ms, now_ms + RECORD_AHEAD_MAX_MS))


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
    """``run_id/master_replid/evicted keys`` that the owner has verified; empty: none."""
    server: str
    """``run_id/master_replid/evicted keys`` of the server that answered."""
    demanded: str = ""
    """Why somebody wants it to be rebuilt; empty: nobody does, or gave no reason."""
    adopts: bool = False
    """Whatever source the published records name, they are this deployment's from now on."""
    foreign: str = ""
    """The other deployment whose state it is, of which nothing else is told; empty: there is none.
    """
    producer: str = ""
    """What its last owner calls its producer, whose transaction may be open; empty: not known."""


@value_class(frozen=True, slots=True)
class OutboxEntry(Generic[Written_co]):
    """What one step must publish."""

    step: int
    records: tuple[Written_co, ...]
    """In order; the same ones whenever the entry is read."""
    remarks: tuple[AnyRemark, ...]
    """What of its changes is to be counted once they are published."""


@value_class(frozen=True, slots=True)
class DueWork:
    """Facts that the owner of a shard must state now, oldest first."""

    deadlines: tuple[DeadlineReached, ...]
    settlements: tuple[Settlement, ...]


@value_class(frozen=True, slots=True)
class RetentionAt:
    """How long reservations are kept, as seen at a moment.

    Counted from the moment at which a step changed them last, by the clock of whoever had it run.
    """

    now_ms: int
    over_ms: int
    """Of those that are over."""
    awaiting_ms: int
    """Of those whose order has not come."""


@value_class(frozen=True, slots=True)
class Look:
    """What one look at the shards of an owner brought."""

    marked: tuple[StepRefused | None, ...]
    """As `Store.mark_published` answers."""
    latest_steps: tuple[int | None, ...]
    """Each shard's step, unverified: only a hint that there is something to read.

    None: the shard is on its way to another server.
    """


class StepsUnderWay(Protocol):
    """Steps that were sent, and whose replies nobody has taken yet."""

    def replies(self) -> tuple[StepReply | StepRefused, ...]:
        """Wait for all of them; one reply for each call, in the order of the calls.

        Raises:
            StoreUnavailable: any of them may have been run; to send them again is harmless.
        """
        ...


class Store(Protocol[Written_co]):
    """State and outbox of every shard. Each method may raise `StoreUnavailable`.

    Of a shard that is on its way to another server, those that are asked of several shards answer
    `StepRefusal.MOVES`, and those that are asked of one raise `ShardMoves`.
    """

    def inspect(self, shard: int) -> ShardState:
        """Read a shard's ``meta`` and the identity of the server, in one atomic read."""
        ...

    def step(self, shard: int, epoch: int, facts: Sequence[Fact]) -> StepReply | StepRefused:
        """Apply a prefix of facts of one shard, in order, atomically.

        State, indexes and outbox change together or not at all. At least one fact is taken.
        A step given again is harmless: its facts are repeats.
        """
        ...

    def begin_steps(self, calls: Sequence[StepCall]) -> StepsUnderWay:
        """Send steps of different shards, and come back before they are answered."""
        ...

    def read_outbox(
        self, after: Sequence[ShardStep], entries_max: int
    ) -> tuple[tuple[OutboxEntry[Written_co], ...] | StepRefused, ...]:
        """Return each shard's next entries behind a step, in order, without gaps.

        `StepRefusal.INCOMPLETE` where an entry is missing.
        """
        ...

    def mark_published(self, steps: Sequence[ShardStep]) -> tuple[StepRefused | None, ...]:
        """Record that each shard's outbox is published up to a step, and trim it.

        `StepRefusal.INCOMPLETE` where the shard has not come so far.
        """
        ...

    def due(
        self, shards: Sequence[ShardEpoch], expired_up_to_ms: int, facts_max: int
    ) -> tuple[DueWork | StepRefused, ...]:
        """Return each shard's deadlines at or before an instant, and settlements that wait."""
        ...

    def removable(
        self, shards: Sequence[ShardEpoch], retention: RetentionAt, facts_max: int
    ) -> tuple[tuple[RetentionReached, ...] | StepRefused, ...]:
        """Return what of each shard has been kept long enough, oldest first."""
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
