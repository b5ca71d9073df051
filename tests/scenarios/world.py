"""Where a scenario takes place: the pure ledger, or any store behind its port."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from reservation_worker.contracts.records import OutputRecord
from reservation_worker.domain.facts import Fact
from reservation_worker.domain.keys import ReservationId, StockId
from reservation_worker.domain.ledger import Ledger, apply
from reservation_worker.domain.outcome import (
    OutcomeKind,
    PublishedEvent,
    ReservationChanged,
    StockChanged,
    UnitsAcknowledged,
)
from reservation_worker.domain.reservation import Reservation
from reservation_worker.domain.stock import Stock
from reservation_worker.ports import DueWork, ShardEpoch, ShardStep, StepReply, Store
from tests.published import events_of

SHARD = 0
EPOCH = 1
FACTS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Seen:
    """What one fact did, as far as anybody outside can see."""

    kind: OutcomeKind
    change: ReservationChanged | None
    acknowledgements: tuple[UnitsAcknowledged, ...]
    stocks: tuple[Stock, ...]
    """Those that changed."""


class World(ABC):
    """Something that takes facts; its names are those of the scenario language."""

    @abstractmethod
    def state(self, fact: Fact) -> Seen:
        """State a fact and return what it did."""

    @abstractmethod
    def waiting_settlements(self) -> tuple[Fact, ...]:
        """Return what balances have left to do, oldest first."""

    @abstractmethod
    def reservation(self, reservation_id: ReservationId) -> Reservation | None:
        """Return a reservation, or None where nothing is known of the order."""

    @abstractmethod
    def stock(self, stock_id: StockId) -> Stock | None:
        """Return a stock, or None where nothing is known of it."""


class LedgerWorld(World):
    """The pure reference model."""

    def __init__(self, settled_entries_max: int) -> None:
        self._ledger = Ledger()
        self._settled_entries_max = settled_entries_max

    def state(self, fact: Fact) -> Seen:
        """Apply a fact."""
        self._ledger, outcome = apply(
            self._ledger, fact, settled_entries_max=self._settled_entries_max
        )
        return Seen(outcome.kind, outcome.change, outcome.acknowledgements, outcome.stocks)

    def waiting_settlements(self) -> tuple[Fact, ...]:
        """Return the settlements that the ledger keeps."""
        return self._ledger.settlements

    def reservation(self, reservation_id: ReservationId) -> Reservation | None:
        """Look a reservation up."""
        return self._ledger.reservations.get(reservation_id)

    def stock(self, stock_id: StockId) -> Stock | None:
        """Look a stock up."""
        return self._ledger.stocks.get(stock_id)


class StoreWorld(World):
    """Any store, one fact per step; its outbox is read and marked published after each."""

    def __init__(self, store: Store[OutputRecord]) -> None:
        self._store = store
        assert store.claim(SHARD, store.inspect(SHARD), EPOCH)
        self._published = store.inspect(SHARD).published

    def state(self, fact: Fact) -> Seen:
        """Run a step of one fact, and publish what it left in the outbox."""
        reply = self._store.step(SHARD, EPOCH, [fact])
        assert isinstance(reply, StepReply), reply
        (kind,) = reply.outcomes
        events = self._publish(reply.step)
        changes = [event for event in events if isinstance(event, ReservationChanged)]
        assert len(changes) <= 1, "one fact makes at most one change"
        return Seen(
            kind,
            changes[0] if changes else None,
            tuple(event for event in events if isinstance(event, UnitsAcknowledged)),
            tuple(event.stock for event in events if isinstance(event, StockChanged)),
        )

    def _publish(self, step: int) -> tuple[PublishedEvent, ...]:
        entries = self._store.read_outbox([ShardStep(SHARD, EPOCH, self._published)], FACTS_MAX)[0]
        assert isinstance(entries, tuple), entries
        assert [entry.step for entry in entries] == list(range(self._published + 1, step + 1))
        assert self._store.mark_published([ShardStep(SHARD, EPOCH, step)])[0] is None
        self._published = step
        return tuple(event for entry in entries for event in events_of(entry))

    def waiting_settlements(self) -> tuple[Fact, ...]:
        """Ask the store for due work, no deadline among it."""
        work = self._store.due([ShardEpoch(SHARD, EPOCH)], 0, FACTS_MAX)[0]
        assert isinstance(work, DueWork), work
        return work.settlements

    def reservation(self, reservation_id: ReservationId) -> Reservation | None:
        """Read a reservation as it is displayed."""
        return self._store.reservation(SHARD, reservation_id)

    def stock(self, stock_id: StockId) -> Stock | None:
        """Read a stock as it is displayed."""
        return self._store.stock(SHARD, stock_id)
