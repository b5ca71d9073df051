"""What verifying a shard needs: looks at Redis that change nothing, and a reading on and on."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from reservation_worker.domain.reservation import Reservation
from reservation_worker.domain.stock import Stock
from reservation_worker.domain.values import value_class
from reservation_worker.ports.kafka import Position
from reservation_worker.ports.restoring import ReadBack
from reservation_worker.ports.store import ShardState

Published_co = TypeVar("Published_co", covariant=True)
"""A record of an output topic, as it was read back."""

Entry = tuple[str, str]
"""An index below the shard's prefix, and a member of it."""


@value_class(frozen=True, slots=True)
class Moment:
    """When a look was taken: everything of this step is in it, and nothing of a later one."""

    epoch: int
    """0: the shard has no ``meta``."""
    step: int
    torn: bool
    """The *writing* mark stands."""


@value_class(frozen=True, slots=True)
class LookedUnits:
    """Where the indexes have some acknowledged units of a reservation; None: nowhere."""

    stock: Stock | None
    entry_score: int | None
    settlement_score: int | None


@value_class(frozen=True, slots=True)
class LookedReservation:
    """One reservation, and what the indexes have of it."""

    key: str
    packed: bytes | None
    reservation: Reservation | None
    """None: there is none, or its bytes cannot be read."""
    scores: tuple[int | None, ...]
    """One of each index that was asked for; None: it has no such member."""
    acknowledged: tuple[LookedUnits, ...]
    """In the order of the reservation's own."""


@value_class(frozen=True, slots=True)
class ReservationsLook:
    """Reservations and index entries of one moment."""

    moment: Moment
    reservations: tuple[LookedReservation, ...]
    """In the order in which they were asked for."""
    entry_scores: tuple[int | None, ...]


@value_class(frozen=True, slots=True)
class LookedStock:
    """One stock, and whether a settlement of it waits."""

    key: str
    packed: bytes | None
    stock: Stock | None
    """None: there is none, or its bytes cannot be read."""
    settlement_score: int | None


@value_class(frozen=True, slots=True)
class StocksLook:
    """Stocks of one moment."""

    moment: Moment
    stocks: tuple[LookedStock, ...]


@value_class(frozen=True, slots=True)
class OutboxLook:
    """The outbox of one moment, against what ``meta`` says of it."""

    moment: Moment
    published: int
    missing: tuple[int, ...]
    """The first steps that wait to be published and have no entry."""
    strays: tuple[int, ...]
    """Of the steps that were asked for, those that have an entry and do not wait."""


@value_class(frozen=True, slots=True)
class ShardKeys:
    """Some keys of a shard, by kind, without its prefix."""

    next_cursor: int
    """0: these were the last."""
    reservations: tuple[str, ...]
    stocks: tuple[str, ...]
    entries_of: tuple[str, ...]
    """Stocks that have acknowledged entries."""
    outbox_steps: tuple[int, ...]


class Books(Protocol):
    """What Redis says of a shard. Nothing is written; each look is of one moment.

    Each method may raise `StoreUnavailable`.
    """

    def state(self, shard: int) -> ShardState:
        """Read a shard's ``meta`` and the identity of the server."""
        ...

    def scan(self, shard: int, cursor: int) -> ShardKeys:
        """Return some of the shard's keys; what is there all the time comes at least once."""
        ...

    def scan_index(self, shard: int, index: str, cursor: int) -> tuple[int, Sequence[str]]:
        """Return where to go on (0: nowhere), and some members of an index."""
        ...

    def look_at_reservations(
        self, shard: int, indexes: Sequence[str], keys: Sequence[str], entries: Sequence[Entry]
    ) -> ReservationsLook:
        """Read reservations, their members of these indexes, and the scores of some entries."""
        ...

    def look_at_stocks(self, shard: int, keys: Sequence[str]) -> StocksLook:
        """Read stocks, and the scores of their settlements."""
        ...

    def look_at_outbox(self, shard: int, steps: Sequence[int]) -> OutboxLook:
        """Read how far the shard has come, and which entries are missing or too many."""
        ...


class PublishedTopics(Protocol[Published_co]):
    """The output topics that restore a shard, read on and on."""

    def read_on(self, shard: int, after: Mapping[str, int]) -> ReadBack[Published_co]:
        """Begin to read behind these offsets, up to the ends that the partitions have now.

        The reading before has ended. A topic that is not named is read from its beginning.

        Raises:
            BrokerUnavailable: Kafka does not answer.
        """
        ...

    def record_at(self, shard: int, topic: str, offset: int) -> Published_co | None:
        """Return the record that stands at an offset; None: it is gone, or was none.

        No reading is under way.

        Raises:
            BrokerUnavailable: Kafka does not answer.
        """
        ...


class Positions(Protocol):
    """How far shards are published, as anybody may ask."""

    def position(self, shard: int) -> Position | None:
        """Read the stable position, after any open transaction; None where there is none.

        Raises:
            BrokerUnavailable: Kafka does not answer, or a transaction is still open.
            FatallyBroken: the position is written in a form that this release does not know.
        """
        ...
