"""What the indexes must have of a reservation and of a stock."""

from dataclasses import replace

import pytest

from reservation_worker.domain.keys import ReservationId, StockId
from reservation_worker.domain.reservation import AcknowledgedUnits, Line, Reservation
from reservation_worker.domain.stock import Stock
from reservation_worker.ports import LookedReservation, LookedStock, LookedUnits
from reservation_worker.verification.indexes import (
    INDEX_NAMES,
    Membership,
    entry_problem,
    reservation_of,
    reservation_problems,
    stock_problems,
)

CUPS = Stock(StockId("shop", "main", "cup"))
COUNTED = replace(CUPS, counted_at_ms=10)
UNFINISHED = replace(COUNTED, settled_through=(3, "A/0/1"))
HELD = Reservation(
    ReservationId("shop", "A"),
    completed_at_ms=1,
    expires_at_ms=7,
    lines=(Line("1", "main", "cup", 3, held=1, acknowledged=2),),
    acknowledged=(AcknowledgedUnits(0, 5, 2),),
)
MEMBER = "A/0/2/5"
ENTRIES, WAITING = "a:shop/main/cup", "shop/main/cup/A"


def looked(
    reservation: Reservation | None = HELD,
    stock: Stock = CUPS,
    *,
    due: int | None = 7,
    entry: int | None = 5,
    settlement: int | None = None,
) -> LookedReservation:
    """Return a look of the order A."""
    packed = None if reservation is None else b"packed"
    units = (LookedUnits(stock, entry, settlement),) if reservation is not None else ()
    scores = tuple(due if name == "due" else None for name in INDEX_NAMES)
    return LookedReservation("shop/A", packed, reservation, scores, units)


@pytest.mark.parametrize(
    "right",
    [
        looked(),
        looked(stock=COUNTED, entry=None, settlement=1),
        looked(stock=UNFINISHED),
        looked(None, due=None),
        looked(replace(HELD, expires_at_ms=None), due=None),
    ],
)
def test_what_agrees_is_no_problem(right: LookedReservation) -> None:
    """In the bucket, released, behind the cursor of a count, removed, and without a deadline."""
    assert [] == reservation_problems(right)


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (looked(due=None), ("score in due", 7, None)),
        (looked(due=8), ("score in due", 7, 8)),
        (looked(None), ("score in due", None, 7)),
        (looked(replace(HELD, expires_at_ms=None)), ("score in due", None, 7)),
        (looked(entry=None), ("score of the acknowledged entry of line 1", 5, None)),
        (looked(entry=6), ("score of the acknowledged entry of line 1", 5, 6)),
        (
            looked(stock=COUNTED, settlement=1),
            ("score of the acknowledged entry of line 1", None, 5),
        ),
        (
            looked(stock=COUNTED, entry=None),
            ("score in settle of line 1", Membership.SOME, None),
        ),
    ],
)
def test_what_an_index_lacks_or_has_wrong_is_told(
    wrong: LookedReservation, problem: tuple[str, object, object]
) -> None:
    """With the field and both values."""
    assert [problem] == reservation_problems(wrong)


def test_entries_are_held_against_their_reservations() -> None:
    """From the other side: whatever stands in an index must be wanted by somebody."""
    assert entry_problem(looked(), ENTRIES, MEMBER, 5) is None
    assert entry_problem(looked(stock=COUNTED), "settle", WAITING, 1) is None
    for one, index, member in (
        (looked(), ENTRIES, "A/0/9/5"),
        (looked(stock=COUNTED), ENTRIES, MEMBER),
        (looked(None), ENTRIES, MEMBER),
        (looked(), "settle", WAITING),
        (looked(None), "settle", WAITING),
    ):
        assert (f"{member} in {index}", None, 5) == entry_problem(one, index, member, 5)


def test_bytes_that_cannot_be_read_are_told_elsewhere() -> None:
    """They differ from what is published."""
    broken = LookedReservation("shop/A", b"?", None, (7,), ())
    assert [] == reservation_problems(broken)
    assert entry_problem(broken, ENTRIES, MEMBER, 5) is None
    assert [] == stock_problems(LookedStock("shop/main/cup", b"?", None, 1))


@pytest.mark.parametrize(
    ("stock", "score", "problems"),
    [
        (CUPS, None, 0),
        (UNFINISHED, 10, 0),
        (UNFINISHED, None, 1),
        (COUNTED, 9, 0),  # of a count that a newer one has overtaken
        (COUNTED, 10, 1),
        (CUPS, 1, 1),
        (None, 1, 1),
        (None, None, 0),
    ],
)
def test_settlement_of_a_stock_waits_exactly_while_its_count_is_unfinished(
    stock: Stock | None, score: int | None, problems: int
) -> None:
    """One that was overtaken is removed by the schedule, without anything being published."""
    packed = None if stock is None else b"packed"
    assert problems == len(stock_problems(LookedStock("shop/main/cup", packed, stock, score)))


def test_entries_name_their_reservations() -> None:
    """A settlement of a stock names none."""
    assert "shop/A" == reservation_of(ENTRIES, MEMBER) == reservation_of("settle", WAITING)
    assert reservation_of("settle", "shop/main/cup") is None
