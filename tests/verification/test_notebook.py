"""The sums of the lines, kept as events come and go."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from reservation_worker.verification.events import (
    AcknowledgedUnits,
    EventId,
    Held,
    ReservationEvent,
    StockEvent,
)
from reservation_worker.verification.notebook import KEYS_PER_QUERY, Notebook, Sums

CUP, JUG = "shop/main/cup", "shop/main/jug"
MORE_THAN_A_QUERY = KEYS_PER_QUERY * 2 + 1


@pytest.fixture
def notebook(tmp_path: Path) -> Iterator[Notebook]:
    """Give an empty notebook."""
    with closing(Notebook(tmp_path / "notebook")) as opened:
        yield opened


def event(
    key: str, *held: Held, acknowledged: tuple[AcknowledgedUnits, ...] = (), version: int = 1
) -> ReservationEvent:
    """Return a change of a reservation."""
    return ReservationEvent(key, EventId(version, 0), version, version, b"d", held, acknowledged)


def stock(
    key: str, counted_at_ms: int | None = None, settled_through: tuple[int, str] | None = None
) -> StockEvent:
    """Return a stock with some units in each bucket."""
    return StockEvent(key, EventId(1, 0), 0, 1, b"d", 1, 2, 3, counted_at_ms, settled_through)


def sums(notebook: Notebook) -> dict[str, Sums]:
    """Return all sums by stock."""
    return {one.key: one for one in notebook.sums()}


def test_sums_follow_what_reservations_hold(notebook: Notebook) -> None:
    """What one held before is taken out, also of a stock that it has left, or if it is removed."""
    notebook.put_stocks({CUP: stock(CUP)})
    notebook.put_reservations({"a": event("a", Held(CUP, 2, 0)), "b": event("b", Held(CUP, 0, 5))})
    assert (2, 5, 0) == sums(notebook)[CUP].lines
    assert (1, 2, 3) == sums(notebook)[CUP].buckets
    notebook.put_reservations({"a": event("a", Held(JUG, 0, 1), Held(JUG, 0, 3), version=2)})
    assert ((0, 5, 0), (0, 4, 0)) == (sums(notebook)[CUP].lines, sums(notebook)[JUG].lines)
    notebook.put_reservations({"a": None, "b": None})
    assert {(0, 0, 0)} == {one.lines for one in sums(notebook).values()}
    assert {} == notebook.reservations(["a", "b"])


def test_acknowledged_units_count_until_a_balance_has_taken_them_out(notebook: Notebook) -> None:
    """Up to the count; and where it is not finished, up to its cursor, by date and then by name."""
    units = tuple(
        AcknowledgedUnits(CUP, at_ms, member, 1)
        for at_ms, member in ((10, "a/0/1"), (20, "a/0/1"), (20, "b/0/1"), (30, "a/0/1"))
    )
    notebook.put_reservations({"a": event("a", acknowledged=units)})
    assert (0, 0, 4) == sums(notebook)[CUP].lines

    def acknowledged(counted_at_ms: int | None, through: tuple[int, str] | None = None) -> int:
        notebook.put_stocks({CUP: stock(CUP, counted_at_ms, through)})
        return sums(notebook)[CUP].lines[2]

    assert [4, 4, 3, 1, 0] == [acknowledged(at_ms) for at_ms in (None, 9, 10, 20, 30)]
    assert [3, 2, 1] == [
        acknowledged(30, through) for through in ((10, "a/0/1"), (20, "a/0/1"), (20, "b/0/1"))
    ]
    notebook.put_reservations({"a": event("a", acknowledged=units[:1], version=2)})
    assert 1 == acknowledged(None)


def test_more_keys_than_a_query_takes_are_found(notebook: Notebook) -> None:
    """And those that no look has found, in order, each once."""
    keys = [f"order-{number:05}" for number in range(MORE_THAN_A_QUERY)]
    notebook.put_reservations({key: event(key, Held(CUP, 1, 0)) for key in keys})
    assert keys == sorted(notebook.reservations(keys))
    assert (MORE_THAN_A_QUERY, 0, 0) == sums(notebook)[CUP].lines
    notebook.see("reservations", keys[::2], 1)
    assert keys[1::2] == [key for some in notebook.unseen("reservations", 1) for key in some]
    assert keys == [key for some in notebook.unseen("reservations", 2) for key in some]


def test_a_stock_that_is_only_held_is_none_that_must_be_found(notebook: Notebook) -> None:
    """Its lines are known, it was never published."""
    notebook.put_reservations({"a": event("a", Held(CUP, 1, 0))})
    assert {} == notebook.stocks([CUP])
    assert [] == list(notebook.unseen("stocks", 1))
    assert (0, 0, 0) == sums(notebook)[CUP].buckets
