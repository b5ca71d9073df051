"""What the indexes of a shard must have of a reservation or a stock, and nothing else.

Values and indexes are written in the same step and read in the same look, so they agree always,
whatever is in flight.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from reservation_worker.domain.keys import join_key
from reservation_worker.domain.reservation import OVER, Reservation, Status
from reservation_worker.domain.stock import AcknowledgedEntry, Stock
from reservation_worker.domain.values import value_class
from reservation_worker.ports import LookedReservation, LookedStock, LookedUnits

SETTLE: Final = "settle"
ENTRIES: Final = "a:"
STOCK_PARTS: Final = 3


class Membership(Enum):
    """A score that cannot be told from the reservation."""

    SOME = auto()

    def __str__(self) -> str:
        """Write it as a difference does."""
        return "some score"


Score = int | Membership | None
"""None: it must not be a member."""
Problem = tuple[str, object, object]
"""Field, what is expected, and what was found."""


@value_class(frozen=True, slots=True)
class ReservationIndex:
    """An index whose members are reservations."""

    name: str
    score_of: Callable[[Reservation], Score]


def _kept_if(*, is_in: bool) -> Membership | None:
    return Membership.SOME if is_in else None


RESERVATION_INDEXES: Final = (
    ReservationIndex("due", lambda reservation: reservation.expires_at_ms),
    ReservationIndex("over", lambda reservation: _kept_if(is_in=reservation.status in OVER)),
    ReservationIndex(
        "awaiting", lambda reservation: _kept_if(is_in=reservation.status is Status.AWAITING)
    ),
)
INDEX_NAMES: Final = tuple(index.name for index in RESERVATION_INDEXES)


def reservation_problems(looked: LookedReservation) -> list[Problem]:
    """Return what the indexes lack of a reservation, or have wrong."""
    if looked.packed is not None and looked.reservation is None:
        return []  # Its bytes differ from what is published, and are told there.
    problems: list[Problem] = []
    for index, found in zip(RESERVATION_INDEXES, looked.scores, strict=True):
        expected = None if looked.reservation is None else index.score_of(looked.reservation)
        is_right = found is not None if expected is Membership.SOME else expected == found
        if not is_right:
            problems.append((f"score in {index.name}", expected, found))
    if looked.reservation is not None:
        for entry, units in _entries(looked.reservation, looked.acknowledged):
            problems += _entry_problems(looked.reservation, entry, units)
    return problems


def _entry_problems(
    reservation: Reservation, entry: AcknowledgedEntry, units: LookedUnits
) -> list[Problem]:
    name = f"of line {reservation.lines[entry.line_index].line_id}"
    released = units.stock is not None and units.stock.has_released(entry)
    expected = None if released else entry.compared_at_ms
    problems: list[Problem] = []
    if expected != units.entry_score:
        problems.append((f"score of the acknowledged entry {name}", expected, units.entry_score))
    if released and units.settlement_score is None:
        problems.append((f"score in {SETTLE} {name}", Membership.SOME, None))
    return problems


def entry_problem(looked: LookedReservation, index: str, member: str, found: int) -> Problem | None:
    """Return what is wrong with an entry of a stock's acknowledged units, or of a settlement.

    The scores of those that must be there are looked at from the other side.
    """
    if looked.packed is not None and looked.reservation is None:
        return None
    expected: set[tuple[str, str]] = set()
    if looked.reservation is not None:
        account = looked.reservation.id.account
        order_key = looked.key.partition("/")[2]
        for entry, units in _entries(looked.reservation, looked.acknowledged):
            if units.stock is not None and units.stock.has_released(entry):
                expected.add((SETTLE, f"{units.stock.id.key}/{order_key}"))
            else:
                line = looked.reservation.lines[entry.line_index]
                stock = join_key(account, line.warehouse_id, line.sku)
                expected.add((f"{ENTRIES}{stock}", f"{entry.member}/{entry.compared_at_ms}"))
    return None if (index, member) in expected else (f"{member} in {index}", None, found)


def stock_problems(looked: LookedStock) -> list[Problem]:
    """Return whether a settlement of a stock waits that should not, or should and does not."""
    stock, found = looked.stock, looked.settlement_score
    if looked.packed is not None and stock is None:
        return []
    must_wait = stock is not None and stock.settled_through is not None
    if must_wait and found is None:
        return [(f"score in {SETTLE}", Membership.SOME, None)]
    if not must_wait and found is not None and not _is_overtaken(stock, found):
        return [(f"score in {SETTLE}", None, found)]
    return []


def _is_overtaken(stock: Stock | None, score: int) -> bool:
    """Tell whether a newer count did what was left: the schedule removes the entry, unpublished."""
    return stock is not None and stock.counted_at_ms is not None and score < stock.counted_at_ms


def reservation_of(index: str, member: str) -> str | None:
    """Return the reservation that an entry speaks of; None: it speaks of a stock alone."""
    if index == SETTLE:
        parts = member.split("/")
        return None if len(parts) == STOCK_PARTS else f"{parts[0]}/{parts[-1]}"
    account = index.removeprefix(ENTRIES).partition("/")[0]
    return f"{account}/{member.partition('/')[0]}"


def _entries(
    reservation: Reservation, acknowledged: tuple[LookedUnits, ...]
) -> list[tuple[AcknowledgedEntry, LookedUnits]]:
    return [
        (
            AcknowledgedEntry(
                one.compared_at_ms, reservation.id.order_id, one.line_index, one.units
            ),
            looked,
        )
        for one, looked in zip(reservation.acknowledged, acknowledged, strict=False)
    ]
