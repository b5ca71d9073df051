"""A bounded list, and a full count."""

from reservation_worker.domain.keys import ReservationId
from reservation_worker.domain.reservation import Line, Reservation
from reservation_worker.verification import Check, Findings
from reservation_worker.verification.differences import differing_fields
from reservation_worker.verification.suspects import Suspects

ORDER = ReservationId("shop", "A")


def test_all_differences_are_counted_and_some_are_named() -> None:
    """A million of them must neither fill the memory nor the screen."""
    findings = Findings(3, named_max=2)
    for number in range(5):
        findings.differ(Check.SUMS, "stock", "x" * 200, expected="y" * 200, found=number)
    findings.differ_unnamed(Check.STOCKS, 4)
    assert (9, 2) == (findings.differences_total, len(findings.differences))
    assert 200 > len(findings.differences[0].expected)


def test_a_rebuild_mends_only_what_the_topics_are_right_about() -> None:
    """Restoring from a record that contradicts itself would restore the contradiction."""
    findings = Findings(3)
    can_be_mended = [findings.can_be_mended]
    for check in (Check.RESERVATIONS, Check.SUMS):
        findings.differ(check, "subject", "field", expected=1, found=2)
        can_be_mended.append(findings.can_be_mended)
    assert [False, True, False] == can_be_mended


def test_findings_of_several_parts_are_added() -> None:
    """Counts and differences; the bound stays."""
    one, other = Findings(3, named_max=2), Findings(3)
    one.differ(Check.SUMS, "s", "a", expected=1, found=2)
    for number in range(3):
        other.differ(Check.STOCKS, "s", "b", expected=1, found=number)
    other.count(Check.STOCKS, 7)
    one.add(other)
    assert (4, 2, 7) == (
        *(one.differences_total, len(one.differences)),
        one.checked[Check.STOCKS],
    )


def test_fields_are_named_down_to_the_line() -> None:
    """With both values, and what only one of them has."""
    one = Reservation(ORDER, 1, lines=(Line("1", "main", "cup", 2, held=2),))
    other = Reservation(ORDER, 1, lines=(Line("1", "main", "cup", 2, held=1, canceled=1),))
    assert [("lines[0].held", 2, 1), ("lines[0].canceled", 0, 1)] == differing_fields(one, other)
    assert ("lines[0].line_id", None, "1") in differing_fields(Reservation(ORDER, 1), other)
    assert [] == differing_fields(one, one)


def test_suspects_beyond_the_bound_are_counted() -> None:
    """The same one again is the same one."""
    suspects = Suspects(2)
    suspects.add_reservations(["shop/A", "shop/B"])
    suspects.add_reservations(["shop/A"], [("settle", "shop/main/cup/A")])
    suspects.add_stocks(["shop/main/cup"])
    assert 1 == suspects.unnamed
    assert [(["shop/A", "shop/B"], [("settle", "shop/main/cup/A")])] == list(
        suspects.reservations(10)
    )
