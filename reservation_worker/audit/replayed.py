"""What the ledger holds after all published steps, and what the records read were in them."""

from dataclasses import dataclass, field

from reservation_worker.domain.facts import Coordinates
from reservation_worker.domain.keys import ReservationId, StockId
from reservation_worker.domain.outcome import OutcomeKind
from reservation_worker.domain.reservation import OVER, KeptCancellation, Reservation
from reservation_worker.domain.stock import Stock


@dataclass(frozen=True, slots=True)
class Life:
    """A reservation as it was when it last lived, and when it was published that it was over."""

    reservation: Reservation
    ended_at_ms: int | None = None


@dataclass(slots=True)
class Replayed:
    """The ledger after all steps, and which input records were in effect in them."""

    stocks: dict[StockId, Stock] = field(default_factory=dict)
    reservations: dict[ReservationId, Reservation] = field(default_factory=dict)
    effects: dict[Coordinates, OutcomeKind] = field(default_factory=dict)
    """The outcome of each input record that caused a change."""
    removed: dict[ReservationId, list[Reservation]] = field(default_factory=dict)
    """As they were when they left; one that comes again may leave again."""
    lives: dict[ReservationId, Life] = field(default_factory=dict)
    """Of those that ever held or handed out something."""

    def take(self, reservation: Reservation, published_at_ms: int) -> None:
        """Go on with what a change has made of a reservation, unless nothing can be decided on it.

        Then what stood before stands; that it differs has been told.
        """
        if not _is_sound(reservation):
            return
        self.reservations[reservation.id] = reservation
        life = self.lives.get(reservation.id)
        if reservation.status not in OVER:
            self.lives[reservation.id] = Life(reservation)
        elif life is not None and life.ended_at_ms is None:
            self.lives[reservation.id] = Life(life.reservation, published_at_ms)


def _is_sound(reservation: Reservation) -> bool:
    is_known = reservation.completed_at_ms is not None
    lines_total = len(reservation.lines)
    return (
        is_known == (lines_total > 0)
        and all(units.line_index < lines_total for units in reservation.acknowledged)
        and not (is_known and any(isinstance(one, KeptCancellation) for one in reservation.kept))
    )
