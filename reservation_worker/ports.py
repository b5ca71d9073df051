"""What the loops need of Redis, Kafka and the clock, and the exceptions these raise.

Unavailable                  an outage: wait, try again; nothing is lost
  StoreUnavailable             Redis cannot be reached, is full, read-only, busy or failing over
  BrokerUnavailable            Kafka cannot be reached, or refuses for now
OwnershipLost                this process no longer owns what it acted for: drop it, begin again
CommitFateUnknown            a transaction may or may not have been committed: take over anew
FatallyBroken                a client or a shard that can only be given up
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from reservation_worker.domain.facts import DeadlineReached, Fact, Settlement
from reservation_worker.domain.keys import ReservationId, StockId
from reservation_worker.domain.outcome import OutcomeKind, PublishedEvent
from reservation_worker.domain.reservation import Reservation
from reservation_worker.domain.stock import Stock


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


@dataclass(frozen=True, slots=True)
class StepReply:
    """What one step did to a prefix of the facts that it was given."""

    outcomes: tuple[OutcomeKind, ...]
    """One for each fact of the prefix; the facts behind it must be sent again in a next step."""
    step: int
    """The shard's step after the call: what it changed *or repeats* is published with this one."""
    published: int
    """The highest step known to be published."""


@dataclass(frozen=True, slots=True)
class StepRefused:
    """The store ran nothing."""

    reason: StepRefusal
    epoch: int
    """The epoch in force; 0 where the shard has none."""


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """What one step must publish; the events' indexes in it count from 0."""

    step: int
    events: tuple[PublishedEvent, ...]


@dataclass(frozen=True, slots=True)
class DueWork:
    """Facts that the owner of a shard must state now, oldest first."""

    deadlines: tuple[DeadlineReached, ...]
    settlements: tuple[Settlement, ...]


class Store(Protocol):
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

    def read_outbox(
        self, shard: int, epoch: int, after_step: int, entries_max: int
    ) -> tuple[OutboxEntry, ...] | StepRefused:
        """Return the next entries behind a step, in order, without gaps."""
        ...

    def mark_published(self, shard: int, epoch: int, step: int) -> StepRefused | None:
        """Record that the outbox is published up to a step, and trim it."""
        ...

    def due(
        self, shard: int, epoch: int, expired_up_to_ms: int, facts_max: int
    ) -> DueWork | StepRefused:
        """Return deadlines at or before an instant, and settlements that wait."""
        ...

    def latest_steps(self, shards: Sequence[int]) -> tuple[int, ...]:
        """Return each shard's step, unverified: only a hint that there is something to read."""
        ...

    def claim(self, shard: int, inspected: ShardState, epoch: int) -> bool:
        """Write epoch and server into ``meta`` if it still says what was inspected.

        A shard without ``meta`` is begun at ``inspected.step``. Never over a newer epoch: False.
        """
        ...

    def reservation(self, shard: int, reservation_id: ReservationId) -> Reservation | None:
        """Return a reservation for display; None where there is none."""
        ...

    def stock(self, shard: int, stock_id: StockId) -> Stock | None:
        """Return a stock for display, without its entries; None where there is none."""
        ...


class Clock(Protocol):
    """The wall clock."""

    def now_ms(self) -> int:
        """Return milliseconds since the epoch, UTC."""
        ...
